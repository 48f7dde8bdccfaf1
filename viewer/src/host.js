// The notebook around this page, where there is one: it passes on what the page asks to its kernel.

class Host {
  constructor() {
    this.asked = 0;
    this.waiting = new Map();
    this.heard = () => {};
    addEventListener("message", ({ source, data }) => {
      if (source !== parent) return;
      if ("address" in data) return this.heard(data.address);
      const { done, fail } = this.waiting.get(data.id);
      this.waiting.delete(data.id);
      if (data.error) fail(new Error(data.error));
      else done(data.block);
    });
  }

  /** A block by its name, compressed, or null; or what the notebook itself knows. */
  ask(name) {
    const id = this.asked++;
    return new Promise((done, fail) => {
      this.waiting.set(id, { done, fail });
      parent.postMessage({ ask: name, id }, "*");
    });
  }

  /** What is shown and selected, whenever that changes; and the other way: what Python asks to see. */
  follow(app, nodeSet) {
    let told = "";
    let timer = 0;
    const tell = () => {
      if (app.state.get("playing") || app.studio) return; // what comes and goes
      const address = app.state.toHash();
      const words = JSON.stringify([address, nodeSet()]);
      if (words === told) return;
      told = words;
      parent.postMessage({ address, nodeSet: JSON.parse(words)[1] }, "*");
    };
    app.state.on(Object.keys(app.state.values), () => {
      clearTimeout(timer);
      timer = setTimeout(tell, 250);
    });
    this.heard = (address) => {
      if (address === app.state.toHash()) return;
      app.state.fromHash(address);
      app.stage.place();
    };
    tell();
  }

  /** Load the page once more. */
  reload() {
    parent.postMessage({ reload: true }, "*");
  }
}

export const host = document.documentElement.dataset.host === "notebook" ? new Host() : null;
