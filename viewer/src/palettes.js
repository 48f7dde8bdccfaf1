// Colours: maps that keep their order for every kind of colour vision, and the two themes.

const hex = (text) => [1, 3, 5].map((k) => parseInt(text.slice(k, k + 2), 16));
const map = (...stops) => {
  const colours = stops.map(hex);
  return (x) => {
    const at = Math.min(Math.max(x, 0), 1) * (colours.length - 1);
    const k = Math.min(Math.floor(at), colours.length - 2);
    return colours[k].map((c, i) => Math.round(c + (colours[k + 1][i] - c) * (at - k)));
  };
};

// Samples of matplotlib's maps (van der Walt & Smith; cividis: Nunez et al. 2018).
export const INFERNO = map(
  "#3b0964", "#550f6d", "#721a6e", "#8c2369", "#a82e5f", "#c43c4e", "#db503b", "#ed6925",
  "#f8850f", "#fca50a", "#fac62d", "#f2e661", "#fcffa4",
);
// Up to where it can still be seen on white.
export const PLASMA = map("#0d0887", "#41049d", "#6a00a8", "#8f0da4", "#b12a90", "#cc4778", "#e16462", "#f2844b");
export const MAGMA = map(
  "#07060f", "#140e36", "#331067", "#56147d", "#7b2382", "#a0307e", "#c73e73", "#e75564",
  "#f97b5d", "#fea772", "#fed395", "#fcfdbf",
);
// On light, too, nothing is the colour of the page and more is hotter.
export const EMBERS = map("#fbfbfa", "#fbe3c8", "#f9bb84", "#f28a4b", "#dd5330", "#b0242a", "#761026");

// On both sides of nothing: what flows in is blue, what flows out orange.
export const CALM = map("#7fd4ff", "#3f9fd6", "#23597d", "#2b2f38", "#7a4a17", "#cf8526", "#ffc67a");
export const CALM_LIGHT = map("#00568c", "#3f93c2", "#a9cbe0", "#dcdcda", "#ecc795", "#cf8429", "#8f4a00");

export const rgb = hex;
export const css = ([r, g, b]) => `rgb(${r} ${g} ${b})`;

/** Colours that a canvas needs by number, from the style sheet. */
export function theme() {
  const style = getComputedStyle(document.documentElement);
  const of = (name) => style.getPropertyValue(`--${name}`).trim();
  return {
    dark: of("scheme") === "dark",
    background: hex(of("stage")),
    ink: of("ink"),
    faint: of("faint"),
    line: of("line"),
    accent: of("accent"),
    panel: of("panel"),
  };
}

/** A colour that keeps its hue and is dark enough to be read on white. */
export function onLight([r, g, b]) {
  const luminance = (0.299 * r + 0.587 * g + 0.114 * b) / 255;
  const wanted = luminance > 0.42 ? 0.42 + 0.35 * (luminance - 0.42) : luminance;
  const factor = wanted / Math.max(luminance, 1e-3);
  return [r, g, b].map((c) => Math.round(c * factor));
}

/** A colour as bright as its hue can be, a little lighter on dark and darker on light. */
export function vivid(colour, dark) {
  const most = Math.max(...colour, 50);
  return colour.map((c) => (dark ? 0.7 * ((255 * c) / most) + 0.3 * 255 : (117 * c) / most));
}
