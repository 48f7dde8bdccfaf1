// Text becomes markup in this file alone: whatever a template is filled with is escaped first, so
// that a name is a name, whatever is in it. The page's policy lets nothing else write markup.

const ESCAPED = { "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&#39;" };
const policy = globalThis.trustedTypes?.createPolicy("isocortex", { createHTML: (text) => text });

class Markup {
  constructor(text) {
    this.text = text;
  }
}

function written(value) {
  if (value instanceof Markup) return value.text;
  if (Array.isArray(value)) return value.map(written).join("");
  return String(value ?? "").replace(/[&<>"']/g, (letter) => ESCAPED[letter]);
}

/** A template of markup: html`<b>${name}</b>`; values may be text, markup, or lists of both. */
export const html = (strings, ...values) => new Markup(String.raw({ raw: strings }, ...values.map(written)));

/** Lines below each other. */
export const stacked = (parts) => html`${parts.map((part, k) => (k ? html`<br>${part}` : part))}`;

/** Fill an element with markup, or with text. Styles are given as data-css: the policy forbids attributes. */
export function put(element, content) {
  if (!(content instanceof Markup)) {
    element.textContent = content ?? "";
    return;
  }
  element.innerHTML = policy ? policy.createHTML(content.text) : content.text;
  for (const part of element.querySelectorAll("[data-css]")) part.style.cssText = part.dataset.css;
}
