// The notebook around this page, where there is one: it passes on what the page asks to its kernel.

class Host {
  constructor() {
    this.waiting = new Map();
    this.heard = this.changed = () => {};
    addEventListener("message", ({ source, data }) => {
      if (source !== parent) return;
      if ("address" in data) return this.heard(data.address);
      const asked = this.waiting.get(data.id);
      if (!asked) return; // the page before this one did
      this.waiting.delete(data.id);
      if (data.error) asked.fail(new Error(data.error));
      else asked.done(data.block);
    });
  }

  /** A block by its name, compressed, or null; or what the notebook itself knows. */
  ask(name) {
    const id = `${Math.random()}`; // which no page before this one had
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
    /** The choices, or the spikes and places that these are about. */
    this.changed = () => {
      clearTimeout(timer);
      timer = setTimeout(tell, 250);
    };
    app.state.on(Object.keys(app.state.values), this.changed);
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
