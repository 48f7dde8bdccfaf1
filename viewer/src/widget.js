// The viewer in a cell of a notebook: the page in a frame, for which this asks the kernel over the
// notebook's own channel. No server and no port: it works wherever the notebook itself does.

export default {
  render({ model, el }) {
    const frame = document.createElement("iframe");
    // an origin of its own: it reaches neither the notebook nor its cookies
    frame.setAttribute("sandbox", "allow-scripts allow-downloads");
    frame.allow = "clipboard-write";
    frame.title = "Isocortex";
    frame.style.cssText = `display: block; width: 100%; height: ${model.get("height")}px; border: 0`;
    el.append(frame);

    const mine = `${Math.random()}`; // several cells may show one viewer
    let page = "";
    let seen = model.get("address"); // in this cell: it is not told what it said itself, or it would go back there
    const ask = (name, id) => model.send({ name, view: mine, id });
    const tell = (words, transfer = []) => frame.contentWindow?.postMessage(words, "*", transfer);

    const fromKernel = (answer, buffers) => {
      if (answer.view !== mine) return;
      const bytes = buffers.map((b) => new Uint8Array(b.buffer ?? b, b.byteOffset ?? 0, b.byteLength).slice().buffer);
      if (answer.name !== "page") tell({ id: answer.id, error: answer.error, block: bytes[0] ?? null }, bytes);
      else if (answer.error) el.textContent = answer.error;
      else frame.srcdoc = page = new TextDecoder().decode(bytes[0]);
    };
    const fromPage = ({ source, data }) => {
      if (source !== frame.contentWindow) return;
      if (data.ask === "address") tell({ id: data.id, block: model.get("address") });
      else if (data.ask) ask(data.ask, data.id);
      else if (data.reload) frame.srcdoc = page;
      else {
        seen = data.address;
        model.set("address", seen);
        model.set("node_set", data.nodeSet);
        model.save_changes();
      }
    };
    const fromElsewhere = () => {
      if (model.get("address") === seen) return;
      seen = model.get("address");
      tell({ address: seen });
    };
    model.on("msg:custom", fromKernel);
    model.on("change:address", fromElsewhere);
    addEventListener("message", fromPage);
    ask("page");
    return () => {
      model.off("msg:custom", fromKernel);
      model.off("change:address", fromElsewhere);
      removeEventListener("message", fromPage);
    };
  },
};
