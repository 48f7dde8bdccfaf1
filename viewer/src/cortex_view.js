// Every neuron in its place. The somas are kept as a picture while the camera rests; a frame then only
// lays the flashes over it. While the camera moves as many somas are drawn as there is time for: their
// order is random, so any first part of them is a fair sample.

import * as THREE from "three";

const SLICE = 40000; // somas drawn at first before looking at the clock
const SLOW = 45; // ms a frame
const DENSE = 1.5e6; // somas of a picture that may be shown before all are drawn
const CLOSE_UP = 1.2; // mm before a neuron, at most
const NEAR = 30; // px: whoever is so near the pointer is what the wheel approaches

const WHOLE_SCREEN = "in vec3 position; out vec2 at; void main() { at = 0.5 * position.xy + 0.5; gl_Position = vec4(position.xy, 0.0, 1.0); }";
const COPY = "precision highp float; uniform sampler2D picture; in vec2 at; out vec4 paint; void main() { paint = texture(picture, at); }";

// Points have no normals: what lies lower than its surroundings in the picture is in their shade, near by
// (so that somas stand apart) and further off (so that gyri, slopes and the rim of the whole read).
// After Boucheny, C. (2009), Visualisation scientifique de grands volumes de données, PhD thesis, Grenoble
// (eye-dome lighting).
const COMPOSE = /* glsl */ `
precision highp float;
uniform sampler2D picture;
uniform sampler2D depth;
uniform vec2 size; // of the picture, pixels
uniform vec2 range; // near and far
uniform float pixels; // of one mm at distance 1
uniform float ratio;
uniform float shade;
uniform float grain; // weight of what is near by: little where somas are points
in vec2 at;
out vec4 paint;
float away(vec2 p) {
  float z = texture(depth, p).x;
  return range.x * range.y / (range.y - z * (range.y - range.x));
}
float below(vec2 p, float here, float reach) {
  float slope = max(here - away(p), 0.0) * pixels / (here * reach);
  return slope / (1.0 + slope);
}
void main() {
  paint = texture(picture, at);
  gl_FragDepth = texture(depth, at).x;
  if (gl_FragDepth >= 1.0) return;
  paint.rgb *= 0.93; // as bright as with shades, on the whole
  if (shade <= 0.0) return;
  float here = away(at);
  float near = 1.6 * ratio;
  float far = 0.022 * size.y;
  float total = 0.0;
  for (int k = 0; k < 8; k++) {
    float angle = 0.785398 * float(k);
    vec2 toward = vec2(cos(angle), sin(angle)) / size;
    total += grain * below(at + near * toward, here, near) + (1.0 - grain) * below(at + far * toward, here, far);
  }
  paint.rgb *= (1.0 + 0.32 * shade) * (1.0 - shade * total / 8.0);
}`;

function fullScreen(fragmentShader, uniforms, withDepth) {
  const mesh = new THREE.Mesh(
    new THREE.PlaneGeometry(2, 2),
    new THREE.RawShaderMaterial({
      glslVersion: THREE.GLSL3, vertexShader: WHOLE_SCREEN, fragmentShader, uniforms,
      depthTest: withDepth, depthWrite: withDepth, depthFunc: THREE.AlwaysDepth,
    }),
  );
  mesh.frustumCulled = false;
  return mesh;
}

export class CortexView {
  constructor(stage, cloud, app) {
    this.stage = stage;
    this.cloud = cloud;
    this.app = app;
    this.base = new THREE.Scene().add(cloud.somas);
    this.top = new THREE.Scene().add(cloud.flashes);
    this.target = null;
    this.slice = SLICE; // somas a frame while the camera moves
    this.rest = 4 * SLICE; // at rest more at a time: nobody waits for the next frame
    this.drawn = 0; // somas in the kept picture
    this.dirty = true;
    this.kept = null;
    this.uniforms = {
      picture: { value: null }, depth: { value: null }, size: { value: new THREE.Vector2() }, range: cloud.uniforms.range,
      pixels: cloud.uniforms.pixels, ratio: { value: 1 }, shade: { value: 0.6 }, grain: { value: 0.35 },
    };
    this.composed = fullScreen(COMPOSE, this.uniforms, true);
    this.copy = fullScreen(COPY, { picture: { value: null } }, false);
    this.composeScene = new THREE.Scene().add(this.composed);
    this.copyScene = new THREE.Scene().add(this.copy);
    this.flat = new THREE.Camera();
    this.ring = document.createElement("div");
    this.ring.className = "ring";
    this.bar = document.createElement("div");
    this.bar.className = "label scale";
  }

  enter() {
    this.resize();
    document.getElementById("labels").replaceChildren(this.ring, this.bar);
    this.ring.hidden = true;
    this.dirty = true;
    this.app.space.there && this.app.space.makeNames();
  }

  leave() {
    document.getElementById("labels").replaceChildren();
  }

  extent() {
    return this.cloud.sphere.radius;
  }

  home(name = "home") {
    const ccf = this.app.population.head.frame === "ccf";
    const directions = {
      home: ccf ? [-0.85, 0.72, -0.5] : [0.25, 0.2, 1],
      top: [0, 1, 0.001],
      side: [-1, 0.06, 0.001],
      front: ccf ? [0, 0.12, -1] : [0, 0, 1],
    };
    this.seeFrom(new THREE.Vector3(...directions[name]).normalize());
  }

  /** All of it, from a direction. */
  seeFrom(direction) {
    const right = new THREE.Vector3(0, 1, 0).cross(direction).normalize();
    const up = direction.clone().cross(right);
    const size = this.cloud.spread(this.cloud.n);
    const points = this.cloud.sample().map((p) => {
      const [x, y, z] = [p.dot(right), p.dot(up), p.dot(direction)];
      return [Math.abs(x) + size, Math.abs(y) + size, z];
    });
    this.stage.lookAt(this.cloud.sphere.center, direction, points);
  }

  /** Where a camera has the chosen neuron before it, from where it stands; null if no neuron is there. */
  closeUp() {
    const { population, state } = this.app;
    const number = state.get("neuron");
    if (number < 0 || number >= population.n || population.head.frame === "none") return null;
    const { eye, target } = this.stage.pose();
    const at = this.cloud.worldOf(number);
    return { target: at, eye: eye.sub(target).clampLength(0, CLOSE_UP).add(at) };
  }

  resize() {
    const { width, height, ratio } = this.stage;
    this.target?.depthTexture.dispose();
    this.target?.dispose();
    this.kept?.dispose();
    const [wide, high] = [Math.max(Math.round(width * ratio), 1), Math.max(Math.round(height * ratio), 1)];
    this.target = new THREE.WebGLRenderTarget(wide, high, { depthTexture: new THREE.DepthTexture(wide, high, THREE.UnsignedIntType) });
    this.kept = new THREE.WebGLRenderTarget(wide, high);
    this.uniforms.picture.value = this.target.texture;
    this.uniforms.depth.value = this.cloud.uniforms.before.value = this.target.depthTexture;
    this.uniforms.size.value.set(wide, high);
    this.uniforms.ratio.value = ratio;
    this.copy.material.uniforms.picture.value = this.kept.texture;
    this.dirty = this.blank = true;
  }

  /** Colours, filters or the selection changed. */
  repaint() {
    this.dirty = true;
    this.stage.stale = true;
  }

  /** Whether somas or shades are still to be drawn. */
  unfinished() {
    return this.drawn < this.cloud.n || this.plain;
  }

  wants() {
    return this.unfinished() || this.app.state.get("playing");
  }

  draw(moving) {
    const { renderer, camera } = this.stage;
    const started = performance.now();
    if (moving && this.wasMoving) this.slow = started - this.began > SLOW;
    this.wasMoving = moving;
    this.began = started;
    const background = this.cloud.uniforms.background.value;
    const clear = new THREE.Color(background.x, background.y, background.z);
    const { n, count } = this.cloud;
    this.cloud.standFor(moving ? Math.min(this.slice, n) : n); // fewer of them are drawn larger
    this.cloud.look(camera, this.stage.height * this.stage.ratio, this.stage.ratio);
    const fresh = moving || this.dirty || this.cloud.count !== count;
    if (fresh) this.drawn = 0;
    if (this.drawn < n) {
      renderer.setRenderTarget(this.target);
      renderer.setClearColor(clear, 1);
      if (fresh) renderer.clear();
      const most = moving ? this.slice : this.rest;
      const next = Math.min(most, n - this.drawn);
      this.cloud.somas.geometry.setDrawRange(this.drawn, next);
      renderer.render(this.base, camera);
      this.drawn += next;
      this.measure = next === most ? { started, moving } : null;
      // until then the picture before it stays
      if (moving || this.blank || this.drawn >= Math.min(n, DENSE)) this.compose(clear, moving && this.slow);
    }
    if (!moving && this.plain && this.drawn === n) this.compose(clear); // it rests: with all shades
    this.dirty = false;
    renderer.setRenderTarget(null);
    renderer.setClearColor(clear, 1);
    renderer.clear();
    renderer.render(this.copyScene, this.flat);
    this.cloud.show(this.app.now(), this.app.tau(), this.app.spikes.total / this.app.spikes.duration);
    renderer.render(this.top, camera);
    if (this.measure) this.adapt();
  }

  /** Somas with their shade, the section and the glass, as a picture that is kept. */
  compose(clear, plain = false) {
    const { renderer, camera } = this.stage;
    this.blank = false;
    this.plain = plain; // a slow machine turns it without shades
    this.uniforms.shade.value = plain ? 0 : this.app.dark() ? 0.72 : 0.5;
    const { pixels, radius } = this.cloud.uniforms;
    const soma = (2 * radius.value * pixels.value) / camera.position.distanceTo(this.cloud.sphere.center);
    this.uniforms.grain.value = Math.min(Math.max(0.05 * soma, 0.1), 0.35);
    renderer.setRenderTarget(this.kept);
    renderer.setClearColor(clear, 1);
    renderer.clear();
    renderer.render(this.composeScene, this.flat);
    this.app.grown.look(this.stage, this.stage.moving > 0);
    if (this.app.grown.scene.visible) renderer.render(this.app.grown.scene, camera);
    if (this.app.space.there) renderer.render(this.app.space.scene, camera);
    this.app.wires.look(this.stage);
    renderer.render(this.app.wires.scene, camera);
  }

  /** As many somas a frame as keep it near 30 frames a second while it moves, and at rest within reach. */
  adapt() {
    const { started, moving } = this.measure;
    this.measure = null;
    requestAnimationFrame(() => {
      const spent = performance.now() - started;
      if (!moving) {
        if (spent < 100) this.rest = Math.min(2 * this.rest, 4e6);
        else if (spent > 250) this.rest = Math.max(this.rest >> 1, 4 * 20000);
      } else if (spent < 24) this.slice = Math.min(2 * this.slice, 4e6);
      else if (spent > 70) this.slice = Math.max(this.slice >> 1, 20000);
    });
  }

  overlay() {
    this.stage.scaleBar(this.bar);
    if (this.app.space.there) this.app.space.overlay(this.stage, this.stage.camera);
    const number = this.app.state.get("neuron");
    this.stage.mark(this.ring, number >= 0 && this.cloud.leaves(number) ? this.cloud.worldOf(number) : null);
  }

  pick(x, y, least) {
    const { camera, width, height } = this.stage;
    return this.cloud.pick(camera, x, y, width, height, this.app.member(), least);
  }

  /** Where the neuron is that is drawn under a point of the picture, or near it; null if there is none. */
  under(x, y) {
    const number = [this.pick(x, y), this.pick(x, y, NEAR)].find((found) => found >= 0);
    return number === undefined ? null : this.cloud.worldOf(number);
  }
}
