// Somas as points, and spikes as points on top of them that fade: nothing is computed per frame but
// where in the sorted spikes the window of the last few milliseconds lies.

import * as THREE from "three";
import { WIDTH } from "./population.js";
import { lowerBound } from "./spikes.js";

const SOMA = 0.008; // mm, radius of a neuron's soma
const STRATA = 42; // a layer
export const CLOSE = 0.36; // radius of a soma as drawn from afar, of the way to the next
const SHRINKS = 0.75; // power of the distance with which what is drawn larger gets smaller

/** A texture with one texel a neuron, of data that have room for whole rows. */
function perNeuron(data, format, type, internal) {
  const channels = { [THREE.RGBAIntegerFormat]: 4, [THREE.RedIntegerFormat]: 1 }[format];
  const texture = new THREE.DataTexture(data, WIDTH, data.length / (WIDTH * channels), format, type);
  texture.internalFormat = internal;
  texture.unpackAlignment = 1;
  texture.needsUpdate = true;
  return texture;
}

const COMMON = /* glsl */ `
precision highp float;
precision highp int;
precision highp usampler2D;
uniform usampler2D places;
uniform usampler2D codes;
uniform usampler2D shades;
uniform sampler2D palette; // rows 0 to 3: facets, alpha says shown; row 4: rates
uniform mat4 modelViewMatrix;
uniform mat4 projectionMatrix;
uniform float radius; // of a soma as drawn from afar, mm
uniform float whole; // distance from which the brain is seen whole, mm
uniform float pixels; // of one mm at distance 1
uniform float least; // pixels
uniform int colourBy;
uniform int picked; // value of facet 0, or -1
uniform vec2 depths; // of the nearest and the farthest soma
uniform int sliceAxis; // of the places, or -1
uniform vec2 slice; // first and last step that is shown along it
uniform uint peel; // strata above it are taken off
uniform float hush; // below 1 others step back behind lines
out vec3 colour;
out float fade;
out float dim;

vec4 of(uint facet, uint value) { return texelFetch(palette, ivec2(int(value), int(facet)), 0); }

// Radius of a soma at a distance, mm: nearer it shrinks to its true one, so that one sees between them.
float drawn(float away) { return max(radius * pow(min(away / whole, 1.0), ${SHRINKS}), min(radius, ${SOMA})); }

// Clip position of neuron i; w is 0 where it is hidden.
vec4 neuron(int i) {
  ivec2 at = ivec2(i % ${WIDTH}, i / ${WIDTH});
  uvec4 code = texelFetch(codes, at, 0);
  float shown = of(0u, code.x).a * of(1u, code.y).a * of(2u, code.z).a * of(3u, code.w).a;
  if (colourBy == 4) colour = of(4u, texelFetch(shades, at, 0).x).rgb;
  else colour = of(uint(colourBy), code[colourBy]).rgb;
  uvec4 place = texelFetch(places, at, 0); // and its stratum, 256 where a lasso leaves it out, 512 where its rate hides it
  bool other = (picked >= 0 && int(code.x) != picked) || (place.w & 256u) != 0u;
  vec4 seen = modelViewMatrix * vec4(vec3(place.xyz), 1.0);
  float far = clamp((-seen.z - depths.x) / max(depths.y - depths.x, 1e-6), 0.0, 1.0);
  fade = (1.0 - 0.62 * far) * (other ? 0.2 : 1.0) * hush;
  dim = (other ? 0.35 : 1.0) * mix(hush, 1.0, 0.5);
  if (sliceAxis >= 0 && (float(place[sliceAxis]) < slice.x || float(place[sliceAxis]) > slice.y)) shown = 0.0;
  if ((place.w & 512u) != 0u) shown = 0.0;
  if (shown < 0.5 || (place.w & 255u) < peel) return vec4(0.0);
  return projectionMatrix * seen;
}
`;

const SOMA_VERTEX = /* glsl */ `${COMMON}
void main() {
  vec4 at = neuron(gl_VertexID);
  gl_Position = at.w > 0.0 ? at : vec4(2.0, 2.0, 2.0, 1.0);
  gl_PointSize = clamp(2.0 * drawn(at.w) * pixels / max(at.w, 1e-3), least, 160.0);
}`;

const SOMA_FRAGMENT = /* glsl */ `
precision highp float;
uniform vec3 background;
uniform float strength;
in vec3 colour;
in float fade;
out vec4 paint;
void main() {
  vec2 p = 2.0 * gl_PointCoord - 1.0;
  float r2 = dot(p, p);
  if (r2 > 1.0) discard;
  float light = 0.66 + 0.34 * dot(normalize(vec3(p.x, -p.y, sqrt(1.0 - r2))), vec3(-0.35, 0.5, 0.79));
  paint = vec4(mix(background, colour * light, fade * strength), 1.0);
}`;

const FLASH_VERTEX = /* glsl */ `${COMMON}
uniform float now;
uniform float tau;
uniform float crowd; // least size of a flash, in least sizes of somas
uniform sampler2D before; // depth of what stands before a flash
uniform vec2 range; // near and far
in float time;
in uint who;
out float glow;
void main() {
  float age = now - time;
  glow = age < 0.0 ? 0.0 : exp(-age / tau);
  vec4 at = neuron(int(who));
  gl_Position = at.w > 0.0 && glow > 0.02 ? at : vec4(2.0, 2.0, 2.0, 1.0);
  // behind others it shines through, fainter: form reads, and nothing is lost
  float z = texture(before, 0.5 + 0.5 * at.xy / max(at.w, 1e-6)).x;
  float wall = range.x * range.y / (range.y - z * (range.y - range.x));
  float own = drawn(at.w);
  glow *= 1.0 - 0.45 * smoothstep(1.0, 8.0, (at.w - wall) / own);
  float size = 2.0 * own * pixels / max(at.w, 1e-3);
  gl_PointSize = clamp(size * (1.7 + 1.6 * glow), least * crowd, 160.0);
}`;

const FLASH_FRAGMENT = /* glsl */ `
precision highp float;
uniform bool dark;
uniform float gain;
in vec3 colour;
in float fade;
in float glow;
in float dim;
out vec4 paint;
void main() {
  float r = length(2.0 * gl_PointCoord - 1.0);
  if (r > 1.0) discard;
  float core = 1.0 - smoothstep(0.26, 0.46, r);
  float halo = pow(1.0 - r, 2.2);
  float seen = gain * glow * dim * mix(fade, 1.0, 0.25);
  // as bright as its hue can be; colours cover each other, so that many of them do not become white
  vec3 vivid = colour / max(max(colour.r, max(colour.g, colour.b)), 0.2);
  if (dark) {
    vec3 hot = mix(vivid, vec3(1.0), 0.4 * (1.0 - smoothstep(0.0, 0.3, r)));
    paint = vec4(hot * core + vivid * halo * 0.95, min(core + 0.3 * halo, 1.0)) * seen;
  } else {
    float cover = clamp(core + 0.5 * halo, 0.0, 1.0) * seen;
    paint = vec4(vivid * 0.46, 1.0) * cover;
  }
}`;

export class Cloud {
  constructor(population) {
    const { position, codes } = population;
    this.population = population;
    this.shadesOf = new Uint8Array(codes.length / 4);
    this.palette = new THREE.DataTexture(new Uint8Array(256 * 5 * 4).fill(255), 256, 5);
    this.palette.needsUpdate = true;
    this.uniforms = {
      places: { value: perNeuron(position, THREE.RGBAIntegerFormat, THREE.UnsignedShortType, "RGBA16UI") },
      codes: { value: perNeuron(codes, THREE.RGBAIntegerFormat, THREE.UnsignedByteType, "RGBA8UI") },
      shades: { value: this.shadeTexture() },
      palette: { value: this.palette },
      radius: { value: 0.02 },
      whole: { value: 20 },
      pixels: { value: 500 },
      least: { value: 1.6 },
      colourBy: { value: 0 },
      picked: { value: -1 },
      depths: { value: new THREE.Vector2(1, 2) },
      background: { value: new THREE.Vector3() },
      strength: { value: 0.8 },
      dark: { value: true },
      now: { value: 0 },
      tau: { value: 8 },
      gain: { value: 1 },
      crowd: { value: 3 },
      sliceAxis: { value: -1 },
      slice: { value: new THREE.Vector2() },
      peel: { value: 0 },
      hush: { value: 1 },
      before: { value: null },
      range: { value: new THREE.Vector2(0.1, 100) },
    };
    const material = (vertexShader, fragmentShader, options) =>
      new THREE.RawShaderMaterial({
        glslVersion: THREE.GLSL3, uniforms: this.uniforms, vertexShader, fragmentShader, ...options,
      });
    this.world = new THREE.Matrix4().fromArray(population.toWorld());
    const place = (object) => {
      object.matrixAutoUpdate = false;
      object.matrix.copy(this.world);
      object.frustumCulled = false;
      return object;
    };
    this.somas = place(new THREE.Points(new THREE.BufferGeometry(), material(SOMA_VERTEX, SOMA_FRAGMENT, {})));
    this.somas.geometry.setDrawRange(0, this.n);
    this.flashMaterial = material(FLASH_VERTEX, FLASH_FRAGMENT, {
      transparent: true, depthTest: false, depthWrite: false, premultipliedAlpha: true,
      blending: THREE.CustomBlending, blendSrc: THREE.OneFactor, blendDst: THREE.OneMinusSrcAlphaFactor,
    });
    this.flashes = new THREE.Group();
    this.place = place;
    this.sphere = this.bounds();
    this.uniforms.whole.value = 2.6 * this.sphere.radius;
    this.standFor(this.n);
  }

  get n() {
    return this.population.n;
  }

  /** There are more neurons than before. */
  grow() {
    this.uniforms.places.value.needsUpdate = this.uniforms.codes.value.needsUpdate = true;
    this.standFor(this.n);
  }

  /** Radius of a soma as drawn from afar, mm: such that neighbours nearly touch where `count` of them are drawn. */
  spread(count) {
    const volume = 123.3 * (this.sphere.radius / 5.9) ** 3;
    return Math.min(CLOSE * Math.cbrt(volume / count), 0.06 * this.sphere.radius);
  }

  /** Draw somas as large as so many need to be to fill the picture. */
  standFor(count) {
    this.count = count;
    this.uniforms.radius.value = this.spread(count);
  }

  /** Some places, from the middle, mm: enough to tell the outline. */
  sample() {
    const every = Math.max(1, Math.floor(this.n / 4000));
    const count = Math.ceil(this.n / every);
    return Array.from({ length: count }, (_, k) => this.worldOf(k * every).sub(this.sphere.center));
  }

  shadeTexture() {
    return perNeuron(this.shadesOf, THREE.RedIntegerFormat, THREE.UnsignedByteType, "R8UI");
  }

  bounds() {
    const box = new THREE.Box3();
    const point = new THREE.Vector3();
    const every = Math.max(1, Math.floor(this.n / 20000));
    for (let i = 0; i < this.n; i += every)
      box.expandByPoint(point.fromArray(this.population.position, 4 * i).applyMatrix4(this.world));
    const sphere = box.getBoundingSphere(new THREE.Sphere());
    sphere.radius = Math.max(sphere.radius, 0.02);
    return sphere;
  }

  /** Give the shaders colours, what is shown, and shades of rates. */
  paint(rows, shades) {
    const data = this.palette.image.data.fill(255);
    rows.forEach((row, r) => row.forEach(([red, green, blue, alpha], k) => data.set([red, green, blue, alpha], 4 * (256 * r + k))));
    this.palette.needsUpdate = true;
    if (shades) {
      this.shadesOf.set(shades);
      this.uniforms.shades.value.dispose();
      this.uniforms.shades.value = this.shadeTexture();
    }
  }

  dark(dark) {
    this.uniforms.dark.value = dark;
    this.uniforms.strength.value = dark ? 0.74 : 0.86;
  }

  /** How deep neurons lie from one on, in 42ths of a layer: what is peeled follows it. */
  setStrata(first, strata) {
    const { places } = this.uniforms;
    const { data } = places.value.image;
    for (let i = 0; i < strata.length; i++) data[4 * (first + i) + 3] = (data[4 * (first + i) + 3] & ~255) | strata[i];
    places.value.needsUpdate = true;
    this.strata = first + strata.length; // neurons of which it is known
  }

  /** 42ths of a layer above a neuron, 255 where that is not known. */
  stratum(number) {
    return this.population.step(number, 3) & 255;
  }

  /** Let what a lasso leaves out step back, and hide what `shown` does not have; null: none. */
  mark(lassoed, shown) {
    this.code((was, i) => (was & 255) | (lassoed && !lassoed[i] ? 256 : 0) | (shown && !shown[i] ? 512 : 0));
  }

  /** Change the code of every neuron. */
  code(change) {
    const { places } = this.uniforms;
    const { data } = places.value.image;
    for (let i = 0; i < this.n; i++) data[4 * i + 3] = change(data[4 * i + 3], i);
    places.value.needsUpdate = true;
  }

  /** Whether so many layers taken off take a neuron with them. */
  peels(number, layers) {
    return this.stratum(number) < Math.round(STRATA * layers);
  }

  /** Show a part: `axis` of the places or -1, its first and last mm, and layers that are peeled. */
  cut(axis, [first, last], layers) {
    const { low, step } = this.population.head.places;
    this.uniforms.sliceAxis.value = axis;
    if (axis >= 0) this.uniforms.slice.value.set((1000 * first - low[axis]) / step, (1000 * last - low[axis]) / step);
    this.uniforms.peel.value = Math.round(STRATA * layers);
  }

  /** Whether the cut or the peel leaves a neuron. */
  leaves(number) {
    const { sliceAxis, slice, peel } = this.uniforms;
    if (peel.value > 0 && this.stratum(number) < peel.value) return false;
    if (sliceAxis.value < 0) return true;
    const at = this.population.step(number, sliceAxis.value);
    return at >= slice.value.x && at <= slice.value.y;
  }

  /** Make the spikes of new chunks ready to draw. */
  feed(spikes) {
    if (this.epoch !== spikes.epoch) {
      this.flashes.children.forEach((points) => points.geometry.dispose());
      this.flashes.clear();
      this.epoch = spikes.epoch;
    }
    for (let k = this.flashes.children.length; k < spikes.chunks.length; k++) {
      const { time, neuron } = spikes.chunks[k];
      const geometry = new THREE.BufferGeometry();
      geometry.setAttribute("time", new THREE.BufferAttribute(time, 1));
      geometry.setAttribute("who", new THREE.BufferAttribute(neuron, 1));
      const points = this.place(new THREE.Points(geometry, this.flashMaterial));
      points.userData.time = time;
      this.flashes.add(points);
    }
  }

  /** Choose the spikes of the last few time constants; returns how many. */
  show(now, tau, perMs) {
    // where thousands flash at once each gives less light, or all would be white
    const crowd = perMs * tau;
    this.uniforms.gain.value = Math.min(Math.max(Math.sqrt(1500 / Math.max(crowd, 1)), 0.3), 1);
    this.uniforms.crowd.value = crowd > 1500 ? 2 : 3;
    this.uniforms.now.value = now;
    this.uniforms.tau.value = tau;
    let drawn = 0;
    for (const points of this.flashes.children) {
      const { time } = points.userData;
      const begin = lowerBound(time, now - 4 * tau);
      const end = lowerBound(time, now + 1e-4);
      points.visible = end > begin;
      points.geometry.setDrawRange(begin, end - begin);
      drawn += end - begin;
    }
    return drawn;
  }

  /** The uniforms that follow from the camera and the size of the picture. */
  look(camera, height, ratio) {
    this.uniforms.pixels.value = 0.5 * height * camera.projectionMatrix.elements[5];
    this.uniforms.least.value = (this.count > 200000 ? 1.1 : 1.9) * ratio;
    const away = camera.position.distanceTo(this.sphere.center);
    this.uniforms.range.value.set(camera.near, camera.far);
    this.uniforms.depths.value.set(Math.max(away - this.sphere.radius, 0.01), away + this.sphere.radius);
  }

  /** The neuron under a point of the picture (pixels), or -1. */
  pick(camera, x, y, width, height, member, least = 7) {
    const m = new THREE.Matrix4()
      .multiplyMatrices(camera.projectionMatrix, camera.matrixWorldInverse)
      .multiply(this.world).elements;
    const p = this.population.position;
    const pixels = 0.5 * height * camera.projectionMatrix.elements[5];
    const { radius, whole } = this.uniforms;
    const drawn = (away) => Math.max(radius.value * Math.min(away / whole.value, 1) ** SHRINKS, Math.min(radius.value, SOMA));
    let best = -1;
    let score = Infinity;
    for (let i = 0, k = 0; i < this.n; i++, k += 4) {
      const w = m[3] * p[k] + m[7] * p[k + 1] + m[11] * p[k + 2] + m[15];
      if (w <= 0) continue;
      const dx = ((m[0] * p[k] + m[4] * p[k + 1] + m[8] * p[k + 2] + m[12]) / w + 1) * 0.5 * width - x;
      if (dx > 30 || dx < -30) continue; // nearly all of them: what costs more comes later
      const dy = (1 - (m[1] * p[k] + m[5] * p[k + 1] + m[9] * p[k + 2] + m[13]) / w) * 0.5 * height - y;
      const reach = Math.max((drawn(w) * pixels) / w, least);
      const distance = Math.sqrt(dx * dx + dy * dy) / reach;
      if (distance > 1 || member[i] === 0 || !this.leaves(i)) continue;
      const s = w / this.sphere.radius + 0.35 * distance; // in front first, then nearest
      if (s < score) [score, best] = [s, i];
    }
    return best;
  }

  worldOf(number) {
    return new THREE.Vector3().fromArray(this.population.position, 4 * number).applyMatrix4(this.world);
  }
}
