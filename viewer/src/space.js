// What stands around the neurons: the cortex as glass, sections through its layers, names of areas.

import * as THREE from "three";
import { host } from "./host.js";
import { read } from "./lasso.js";
import { fetchPacked } from "./source.js";

const STEP = 0.12; // mm, between looks at what hides a name
const FARTHEST = 12; // mm, of such looks
const SHOWN = 13; // px, half the edge of an area's square from which on its name is written

const GLASS_VERTEX = /* glsl */ `
precision highp float;
uniform mat4 modelViewMatrix;
uniform mat4 projectionMatrix;
in vec3 position;
in vec3 normal;
in float inner;
out vec3 facing;
out vec3 seen;
out float inside;
void main() {
  vec4 at = modelViewMatrix * vec4(position, 1.0);
  facing = mat3(modelViewMatrix) * normal;
  seen = at.xyz;
  inside = inner;
  gl_Position = projectionMatrix * at;
}`;

const GLASS_FRAGMENT = /* glsl */ `
precision highp float;
uniform vec3 tint;
uniform float strength;
uniform vec2 depths;
in vec3 facing;
in vec3 seen;
in float inside;
out vec4 paint;
void main() {
  float slant = 1.0 - abs(dot(normalize(facing), normalize(seen)));
  // brightest just inside the rim: at the very edge it fades, which smooths it
  float rim = pow(slant, 3.0) * (1.0 - smoothstep(0.9, 1.0, slant));
  float far = clamp((-seen.z - depths.x) / max(depths.y - depths.x, 1e-6), 0.0, 1.0);
  far = max(far, 1.0 - smoothstep(0.3, 3.0, -seen.z)); // nothing stands in one's eyes either
  float cover = (0.05 + 0.75 * rim) * strength * (1.0 - 0.7 * far) * mix(1.0, 0.3, smoothstep(0.3, 0.7, inside));
  paint = vec4(tint, 1.0) * cover;
}`;

const SECTION_VERTEX = /* glsl */ `
precision highp float;
uniform mat4 modelViewMatrix;
uniform mat4 projectionMatrix;
in vec3 position; // um in the atlas
out vec3 place;
void main() {
  place = position;
  gl_Position = projectionMatrix * modelViewMatrix * vec4(position, 1.0);
}`;

const SECTION_FRAGMENT = /* glsl */ `
precision highp float;
precision highp int;
precision highp usampler3D;
uniform usampler3D labels;
uniform sampler2D rows; // colour of every label; alpha: how much of it covers
uniform vec3 low;
uniform float unit; // um of a label
uniform float midplane;
in vec3 place;
out vec4 paint;
uint of(vec3 p) {
  p.z = midplane + abs(p.z - midplane);
  ivec3 at = ivec3(floor((p - low) / unit));
  ivec3 size = textureSize(labels, 0);
  if (any(lessThan(at, ivec3(0))) || any(greaterThanEqual(at.zyx, size))) return 0u;
  return texelFetch(labels, at.zyx, 0).x;
}
void main() {
  vec3 across = dFdx(place);
  vec3 down = dFdy(place);
  uint here = of(place);
  vec4 colour = texelFetch(rows, ivec2(int(here), 0), 0);
  // a line where the label changes
  uint beside = of(place + across);
  uint under = of(place + down);
  bool edge = (beside != here && beside != 0u) || (under != here && under != 0u);
  if (here == 0u) discard;
  paint = vec4(colour.rgb * (edge ? 0.55 : 1.0), 1.0) * colour.a;
}`;

const PREMULTIPLIED = {
  glslVersion: THREE.GLSL3, side: THREE.DoubleSide, transparent: true, depthWrite: false, premultipliedAlpha: true,
  blending: THREE.CustomBlending, blendSrc: THREE.OneFactor, blendDst: THREE.OneMinusSrcAlphaFactor,
};

export class Space {
  constructor(app) {
    this.app = app;
    this.population = app.population;
    this.scene = new THREE.Scene();
    this.there = false;
    this.names = [];
  }

  /** Read it, once; it comes after the first picture. And all that is needed for what is shown. */
  async load() {
    await (this.loading ??= this.read());
    if (this.there && this.peels()) await this.deepen();
  }

  /** Whether it must be known how deep neurons lie: of many only where layers are taken off. */
  peels() {
    const { state } = this.app;
    return this.population.head.parts === 1 || state.get("peel") > 0 || read(state.get("lasso")).some((loop) => loop.peel > 0);
  }

  async read() {
    if (this.population.head.frame !== "ccf") return;
    let block;
    try {
      block = await fetchPacked("space");
    } catch (error) {
      this.app.notice(`The outline of the cortex could not be read: ${error.message}`);
      return;
    }
    if (!block?.head.rows.length) return; // an older page
    this.head = block.head;
    this.label = block.arrays.label;
    this.build(block.arrays);
    this.there = true;
    if (this.peels()) await this.deepen();
    this.app.state.on(["peel", "lasso"], () => this.peels() && this.deepen());
    document.body.dataset.space = "there";
    this.app.paint();
  }

  /** How deep neurons lie, read once. */
  deepen() {
    return (this.deep ??= this.readStrata());
  }

  async readStrata() {
    let first = 0;
    try {
      for (let k = 0; k < this.population.head.parts; k++) {
        const block = await fetchPacked(`strata/${k}`);
        this.app.cloud.setStrata(first, block.arrays.stratum);
        first += block.arrays.stratum.length;
        this.app.paint();
      }
    } catch (error) {
      this.app.notice(`How deep neurons lie could not be read: ${error.message}`);
    }
    host?.changed(); // a lasso may have left out what is peeled
  }

  build({ corner, inner, triangle }) {
    const { corners, labels, rows } = this.head;
    const n = inner.length;
    const place = new Float32Array(3 * n);
    for (let k = 0; k < n; k++) {
      const point = [0, 1, 2].map((j) => corners.low[j] + corners.step * corner[3 * k + j]);
      place.set(this.population.fromAtlas(point), 3 * k);
    }
    const geometry = new THREE.BufferGeometry();
    geometry.setAttribute("position", new THREE.BufferAttribute(place, 3));
    geometry.setAttribute("inner", new THREE.BufferAttribute(inner, 1, true));
    geometry.setIndex(new THREE.BufferAttribute(triangle, 1));
    geometry.computeVertexNormals();
    this.uniforms = { tint: { value: new THREE.Vector3(1, 1, 1) }, strength: { value: 1 }, depths: this.app.cloud.uniforms.depths };
    const glass = new THREE.RawShaderMaterial({ vertexShader: GLASS_VERTEX, fragmentShader: GLASS_FRAGMENT, uniforms: this.uniforms, ...PREMULTIPLIED });
    this.glass = [1, -1].map((side) => {
      const mesh = new THREE.Mesh(geometry, glass);
      mesh.scale.x = side;
      mesh.frustumCulled = false;
      mesh.renderOrder = 2;
      return mesh;
    });

    const [ap, dv, ml] = labels.shape;
    const volume = new THREE.Data3DTexture(this.label, ml, dv, ap);
    volume.format = THREE.RedIntegerFormat;
    volume.type = THREE.UnsignedByteType;
    volume.internalFormat = "R8UI";
    volume.unpackAlignment = 1;
    volume.needsUpdate = true;
    this.rows = new THREE.DataTexture(new Uint8Array(256 * 4), 256, 1);
    this.section = { labels: { value: volume }, rows: { value: this.rows }, low: { value: new THREE.Vector3(...labels.low) }, unit: { value: labels.step }, midplane: { value: this.population.head.midplane } };
    const cut = new THREE.RawShaderMaterial({ vertexShader: SECTION_VERTEX, fragmentShader: SECTION_FRAGMENT, uniforms: this.section, ...PREMULTIPLIED });
    this.origin = this.population.fromAtlas([0, 0, 0]);
    const [x, y, z] = this.origin;
    const toWorld = new THREE.Matrix4().set(0, 0, 1e-3, x, 0, -1e-3, 0, y, 1e-3, 0, 0, z, 0, 0, 0, 1);
    this.faces = [0, 1].map(() => {
      const mesh = new THREE.Mesh(new THREE.BufferGeometry(), cut);
      mesh.geometry.setAttribute("position", new THREE.BufferAttribute(new Float32Array(12), 3));
      mesh.geometry.setIndex([0, 1, 2, 0, 2, 3]);
      mesh.matrixAutoUpdate = false;
      mesh.matrix.copy(toWorld);
      mesh.frustumCulled = false;
      mesh.renderOrder = 1;
      return mesh;
    });
    this.scene.add(...this.glass, ...this.faces);
    this.areas = new Map(this.population.primary.values.map((v, k) => [v.name, k]));
    this.rowArea = rows.map(([area]) => this.areas.get(area) ?? -1);
    this.rowLayer = rows.map(([, layer]) => this.head.layers.indexOf(layer));
    this.anchors = this.head.names.flatMap(({ area, place: at, normal, reach }) =>
      ["right", "left"].map((side) => {
        const sign = side === "right" ? 1 : -1;
        const [px, py, pz] = this.population.fromAtlas(at);
        return { area, side, point: new THREE.Vector3(sign * px, py, pz), normal: new THREE.Vector3(sign * normal[2], -normal[1], normal[0]), reach: reach / 1000 };
      }),
    );
  }

  /** The direction from a point of the cortex to the pia, into `up`; and how far pia and white matter are, mm. */
  upright(point, up) {
    if (!this.there) {
      up.set(0, 1, 0);
      return { above: Infinity, below: Infinity };
    }
    const { position, normal, inner } = this.glass[0].geometry.attributes;
    const side = Math.sign(point.x) || 1; // the left is the mirror image
    const nearest = [0, 1].map(() => ({ away: Infinity, k: -1 })); // of the pia and of the white matter
    for (let k = 0; k < inner.count; k++) {
      const depth = inner.array[k];
      if (depth > 90 && depth < 165) continue; // where areas end
      const away = Math.hypot(side * position.array[3 * k] - point.x, position.array[3 * k + 1] - point.y, position.array[3 * k + 2] - point.z);
      const best = nearest[depth < 128 ? 0 : 1];
      if (away < best.away) Object.assign(best, { away, k });
    }
    up.fromArray(normal.array, 3 * Math.max(nearest[0].k, 0));
    up.x *= side;
    return { above: nearest[0].away, below: nearest[1].away };
  }

  /** Colours and what is shown, as the neurons have them. */
  paint() {
    if (!this.there) return;
    const { app, population } = this;
    const { state } = app;
    const dark = app.dark();
    const side = (name) => population.sided < 0 || !(state.get("hidden").hemisphere ?? []).includes(name);
    ["right", "left"].forEach((name, k) => (this.glass[k].visible = state.get("outline") && side(name)));
    this.uniforms.tint.value.fromArray(dark ? [0.62, 0.75, 0.95] : [0.32, 0.4, 0.52]);
    this.uniforms.strength.value = dark ? 0.62 : 0.55;

    const layerFacet = population.layered;
    const shown = population.shownValues(state.get("hidden"));
    const key = app.colourKey();
    const facet = population.facets.findIndex((f) => f.key === key);
    const table = key === "area" || key === "layer" ? app.colourTable() : null;
    const neutral = dark ? [120, 128, 142] : [176, 181, 188];
    const picked = population.pickedCode(state.get("picked"));
    const peel = state.get("peel");
    this.rowShown = new Uint8Array(this.rowArea.length + 1);
    const data = this.rows.image.data.fill(0);
    this.rowArea.forEach((area, r) => {
      const layer = this.rowLayer[r];
      const name = this.head.layers[layer];
      const code = layerFacet < 0 ? -1 : population.facets[layerFacet].values.findIndex((v) => v.name === name);
      const visible = area >= 0 && shown[0][area] && (code < 0 || shown[layerFacet][code]);
      const left = layer >= peel - 0.5;
      this.rowShown[r + 1] = visible && left ? 1 : 0;
      const base = !table ? neutral : facet === 0 ? table[Math.max(area, 0)] : (table[code] ?? neutral);
      // layers of one colour are told apart by their lightness
      const light = facet === 0 || !table ? [1, 0.86, 1, 0.86, 1, 0.86][layer] : 1;
      const colour = base.map((c) => c * light * (dark ? 0.62 : 1));
      const other = picked >= 0 && picked !== area;
      const cover = !visible ? 0 : !left ? 0.1 : other ? 0.22 : dark ? 0.82 : 0.72;
      data.set([...colour, 255 * cover], 4 * (r + 1));
    });
    this.rows.needsUpdate = true;
    this.place();
  }

  /** Put the sections where the cut is. */
  place() {
    const { axis, first, last } = this.app.cut();
    this.faces.forEach((mesh, k) => {
      mesh.visible = axis >= 0;
      if (axis < 0) return;
      const { extent } = this.population;
      const ends = extent.map(([a, b]) => [1000 * a - 400, 1000 * b + 400]);
      const [u, v] = [0, 1, 2].filter((j) => j !== axis);
      const at = 1000 * (k === 0 ? first : last);
      const { array } = mesh.geometry.attributes.position;
      [[0, 0], [1, 0], [1, 1], [0, 1]].forEach(([a, b], c) => {
        array[3 * c + axis] = at;
        array[3 * c + u] = ends[u][a];
        array[3 * c + v] = ends[v][b];
      });
      mesh.geometry.attributes.position.needsUpdate = true;
    });
    this.onFace = axis < 0 ? [] : this.sectioned(axis, 1000 * first);
    this.makeNames();
  }

  /** Number of the label at a point of the atlas, um: 0 outside, else 1 + row. */
  labelAt(ap, dv, ml) {
    const { low, step, shape } = this.head.labels;
    const { midplane } = this.population.head;
    const i = Math.floor((ap - low[0]) / step);
    const j = Math.floor((dv - low[1]) / step);
    const k = Math.floor((midplane + Math.abs(ml - midplane) - low[2]) / step);
    if (i < 0 || j < 0 || k < 0 || i >= shape[0] || j >= shape[1] || k >= shape[2]) return 0;
    return this.label[(i * shape[1] + j) * shape[2] + k];
  }

  /** A point of the picture in the atlas, mm. */
  toAtlas(point, into) {
    const { origin } = this;
    into[0] = point.z - origin[2];
    into[1] = origin[1] - point.y;
    into[2] = point.x - origin[0];
    return into;
  }

  /** Areas in a section and where their names stand: in the middle, on each side. */
  sectioned(axis, at) {
    const step = this.head.labels.step;
    const [u, v] = [0, 1, 2].filter((j) => j !== axis);
    const ends = this.population.extent.map(([a, b]) => [1000 * a, 1000 * b]);
    const found = new Map();
    const p = [0, 0, 0];
    p[axis] = at;
    for (p[u] = ends[u][0]; p[u] <= ends[u][1]; p[u] += step)
      for (p[v] = ends[v][0]; p[v] <= ends[v][1]; p[v] += step) {
        const label = this.labelAt(...p);
        if (!label || !this.rowShown[label]) continue;
        const side = p[2] >= this.population.head.midplane ? "right" : "left";
        const key = `${this.rowArea[label - 1]} ${side}`;
        if (!found.has(key)) found.set(key, []);
        found.get(key).push([...p]);
      }
    return [...found].map(([key, cells]) => {
      const [code, side] = key.split(" ");
      const middle = [0, 1, 2].map((k) => cells.reduce((sum, c) => sum + c[k], 0) / cells.length);
      const far = (c) => (c[0] - middle[0]) ** 2 + (c[1] - middle[1]) ** 2 + (c[2] - middle[2]) ** 2;
      const nearest = cells.reduce((best, c) => (far(c) < far(best) ? c : best));
      return { area: this.population.primary.values[code].name, side, point: new THREE.Vector3(...this.population.fromAtlas(nearest)), normal: null, reach: (Math.sqrt(cells.length) * step) / 2000 };
    });
  }

  makeNames() {
    const { app } = this;
    const box = document.getElementById("labels");
    this.names.forEach(({ element }) => element.remove());
    this.names = [];
    this.placed = "";
    if (!app.state.get("names") || app.stage.name !== "cortex") return;
    const { axis, first, last } = app.cut();
    const shown = this.population.shownValues(app.state.get("hidden"));
    const { sided } = this.population;
    const along = (p) => this.toAtlas(p, [0, 0, 0])[axis];
    const within = (a) => axis < 0 || (along(a.point) >= first && along(a.point) <= last);
    const there = (a) => {
      const code = this.areas.get(a.area);
      const side = sided < 0 ? -1 : this.population.facets[sided].values.findIndex((v) => v.name === a.side);
      return code !== undefined && shown[0][code] && (side < 0 || shown[sided][side]);
    };
    const faced = new Set(this.onFace.map((a) => a.area + a.side)); // named there, and not a second time
    for (const anchor of [...this.onFace, ...this.anchors.filter((a) => within(a) && !faced.has(a.area + a.side))].filter(there)) {
      const element = document.createElement("div");
      element.className = "label name";
      element.textContent = anchor.area;
      element.hidden = true;
      box.append(element);
      this.names.push({ ...anchor, element, width: 6.5 * anchor.area.length + 6 });
    }
    this.names.sort((a, b) => b.reach - a.reach);
  }

  /** Names that are large enough, in front and not over each other. */
  overlay(stage, camera) {
    const { open } = this.app.cutPanel.element;
    const key = [...camera.matrixWorldInverse.elements, stage.width, stage.height, open].join();
    if (this.names.length === 0 || this.placed === key) return;
    this.placed = key;
    const panel = this.app.cutPanel.element;
    const taken = [[panel.offsetLeft, panel.offsetTop, panel.offsetLeft + panel.offsetWidth, panel.offsetTop + panel.offsetHeight]];
    const point = new THREE.Vector3();
    const away = new THREE.Vector3();
    const picked = this.app.state.get("picked");
    for (const name of this.names) {
      const { element, normal, reach, width } = name;
      element.hidden = true;
      away.copy(camera.position).sub(name.point);
      const distance = away.length();
      away.divideScalar(distance);
      const facing = normal ? normal.dot(away) : 1;
      const size = (reach * Math.max(facing, 0) ** 0.5 * this.app.cloud.uniforms.pixels.value) / stage.ratio / distance;
      if (facing < 0.2 || (size < SHOWN && name.area !== picked)) continue;
      const [x, y, front] = stage.project(name.point);
      const box = [x - width / 2, y - 8, x + width / 2, y + 8];
      const inside = box[0] > 4 && box[1] > 40 && box[2] < stage.width - 4 && box[3] < stage.height - 4;
      if (!front || !inside || taken.some((t) => t[0] < box[2] && box[0] < t[2] && t[1] < box[3] && box[1] < t[3])) continue;
      if (this.hides(point.copy(name.point), normal ?? away, away, Math.min(distance, FARTHEST))) continue;
      taken.push(box);
      element.hidden = false;
      element.style.opacity = Math.min(Math.max((size - SHOWN) / 8, 0) * 0.65 + 0.35, 1).toFixed(2);
      element.classList.toggle("picked", name.area === picked);
      element.style.transform = `translate(${x.toFixed(1)}px, ${y.toFixed(1)}px) translate(-50%, -50%)`;
    }
  }

  /** Whether cortex that is shown stands between a point and the camera. */
  hides(point, normal, away, distance) {
    const { axis, first, last } = this.app.cut();
    const at = [0, 0, 0];
    point.addScaledVector(normal, 0.35);
    for (let d = 0; d < distance; d += STEP) {
      point.addScaledVector(away, STEP);
      this.toAtlas(point, at);
      const label = this.labelAt(1000 * at[0], 1000 * at[1], 1000 * at[2]);
      if (label && this.rowShown[label] && (axis < 0 || (at[axis] > first && at[axis] < last))) return true;
    }
    return false;
  }
}
