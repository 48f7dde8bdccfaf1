// Every neuron in its place. The somas are kept as a picture while the camera rests; a frame then only
// lays the flashes over it. While the camera moves as many somas are drawn as there is time for: their
// order is random, so any first part of them is a fair sample.

import * as THREE from "three";

const SLICE = 40000; // somas drawn at first before looking at the clock

export class CortexView {
  constructor(stage, cloud, app) {
    this.stage = stage;
    this.cloud = cloud;
    this.app = app;
    this.base = new THREE.Scene().add(cloud.somas);
    this.top = new THREE.Scene().add(cloud.flashes);
    this.target = null;
    this.slice = SLICE;
    this.drawn = 0; // somas in the kept picture
    this.dirty = true;
    this.copy = new THREE.Mesh(
      new THREE.PlaneGeometry(2, 2),
      new THREE.RawShaderMaterial({
        glslVersion: THREE.GLSL3, depthTest: false, depthWrite: false,
        uniforms: { picture: { value: null } },
        vertexShader: "in vec3 position; out vec2 at; void main() { at = 0.5 * position.xy + 0.5; gl_Position = vec4(position.xy, 0.0, 1.0); }",
        fragmentShader: "precision highp float; uniform sampler2D picture; in vec2 at; out vec4 paint; void main() { paint = texture(picture, at); }",
      }),
    );
    this.copy.frustumCulled = false;
    this.copyScene = new THREE.Scene().add(this.copy);
    this.flat = new THREE.Camera();
    this.ring = document.createElement("div");
    this.ring.className = "ring";
  }

  enter() {
    this.resize();
    document.getElementById("labels").replaceChildren(this.ring);
    this.ring.hidden = true;
    this.dirty = true;
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
    const direction = new THREE.Vector3(...directions[name]).normalize();
    const right = new THREE.Vector3(0, 1, 0).cross(direction).normalize();
    const up = direction.clone().cross(right);
    const size = this.cloud.uniforms.radius.value;
    const points = this.cloud.sample().map((p) => {
      const [x, y, z] = [p.dot(right), p.dot(up), p.dot(direction)];
      return [Math.abs(x) + size, Math.abs(y) + size, z];
    });
    this.stage.lookAt(this.cloud.sphere.center, direction, points);
  }

  resize() {
    const { width, height, ratio } = this.stage;
    this.target?.dispose();
    this.target = new THREE.WebGLRenderTarget(Math.round(width * ratio), Math.round(height * ratio));
    this.copy.material.uniforms.picture.value = this.target.texture;
    this.dirty = true;
  }

  /** Colours, filters or the selection changed. */
  repaint() {
    this.dirty = true;
    this.stage.stale = true;
  }

  wants() {
    return this.drawn < this.cloud.n || this.app.state.get("playing");
  }

  draw(moving) {
    const { renderer, camera } = this.stage;
    const started = performance.now();
    const background = this.cloud.uniforms.background.value;
    const clear = new THREE.Color(background.x, background.y, background.z);
    this.cloud.look(camera, this.stage.height * this.stage.ratio, this.stage.ratio);
    const fresh = moving || this.dirty;
    if (fresh) this.drawn = 0;
    if (this.drawn < this.cloud.n) {
      renderer.setRenderTarget(this.target);
      renderer.setClearColor(clear, 1);
      if (fresh) renderer.clear();
      // at rest more at a time: nobody waits for the next frame
      const count = Math.min(fresh ? this.slice : 4 * this.slice, this.cloud.n - this.drawn);
      this.cloud.somas.geometry.setDrawRange(this.drawn, count);
      renderer.render(this.base, camera);
      this.drawn += count;
      renderer.setRenderTarget(null);
      this.measure = { started, full: fresh && count === this.slice };
    }
    this.dirty = false;
    renderer.setClearColor(clear, 1);
    renderer.clear();
    renderer.render(this.copyScene, this.flat);
    this.cloud.show(this.app.now(), this.app.tau(), this.app.spikes.total / this.app.spikes.duration);
    renderer.render(this.top, camera);
    if (this.measure?.full) this.adapt();
  }

  /** As many somas a frame as keep it near 30 frames a second. */
  adapt() {
    const { started } = this.measure;
    this.measure = null;
    requestAnimationFrame(() => {
      const spent = performance.now() - started;
      if (spent < 24) this.slice = Math.min(2 * this.slice, 4e6);
      else if (spent > 70) this.slice = Math.max(this.slice >> 1, 20000);
    });
  }

  overlay() {
    const number = this.app.state.get("neuron");
    this.ring.hidden = number < 0;
    if (number < 0) return;
    const [x, y] = this.stage.project(this.cloud.worldOf(number));
    this.ring.style.transform = `translate(${x}px, ${y}px)`;
  }

  pick(x, y) {
    const { camera, width, height } = this.stage;
    return this.cloud.pick(camera, x, y, width, height, this.app.member());
  }
}
