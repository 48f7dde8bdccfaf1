// The picture: one renderer, a camera that the mouse and keys move, and the view that is shown.

import * as THREE from "three";
import { OrbitControls } from "three/examples/jsm/controls/OrbitControls.js";
import { Flight } from "./flight.js";

THREE.ColorManagement.enabled = false; // colours are given as they shall appear

const GESTURE = 400; // ms, between turns of the wheel that are one
const MARGIN = 1.08; // of the picture to what is in it
// no antialias: edges are smoothed where they are drawn, at a fraction of the cost
export const CONTEXT = { antialias: false, powerPreference: "high-performance" };

/** Pixels to one of the page: of the screen, or as a figure or film wants them. */
export const pixelRatio = () => +document.body.dataset.ratio || Math.min(devicePixelRatio || 1, 2);

export class Stage {
  constructor(canvas, state) {
    this.canvas = canvas;
    this.state = state;
    this.renderer = new THREE.WebGLRenderer({ canvas, ...CONTEXT });
    this.renderer.outputColorSpace = THREE.LinearSRGBColorSpace;
    this.renderer.autoClear = false;
    this.camera = new THREE.PerspectiveCamera(32, 1, 0.001, 500);
    this.controls = new OrbitControls(this.camera, canvas);
    this.controls.enableDamping = true;
    this.controls.dampingFactor = 0.12;
    this.controls.zoomToCursor = true;
    // before the controls hear of it
    canvas.addEventListener("wheel", (event) => event.deltaY < 0 && this.aim(event), { capture: true, passive: true });
    this.controls.addEventListener("change", () => this.moved());
    this.controls.addEventListener("end", () => this.keep());
    this.controls.addEventListener("start", () => this.stop(false));
    this.cameras = {}; // of views that were left
    this.view = null;
    this.stale = true; // something changed: draw
    this.moving = 0; // frames since the camera last moved, counted down
    this.flight = null;
    new ResizeObserver(() => this.resize()).observe(canvas.parentElement);
    this.resize();
  }

  /** What is seen, all of it, with `ratio` pixels to one of the page; `resize` goes back to the screen. */
  snapshot(ratio) {
    this.stop();
    if (ratio !== this.ratio) this.resize(ratio);
    this.moving = 0;
    this.view.repaint?.(); // what is kept of the picture may be of another camera
    this.planes();
    do this.view.draw(false);
    while (this.view.unfinished?.());
    this.view.overlay?.();
    const copy = document.createElement("canvas");
    copy.width = this.canvas.width;
    copy.height = this.canvas.height;
    copy.getContext("2d").drawImage(this.canvas, 0, 0); // in the same breath: it is not kept
    return copy;
  }

  resize(ratio = pixelRatio()) {
    this.stop();
    const { clientWidth: width, clientHeight: height } = this.canvas.parentElement;
    this.ratio = ratio;
    this.width = Math.max(width, 1);
    this.height = Math.max(height, 1);
    this.renderer.setPixelRatio(this.ratio);
    this.renderer.setSize(this.width, this.height, false);
    this.camera.aspect = this.width / this.height;
    this.camera.updateProjectionMatrix();
    this.view?.resize?.();
    if (this.view && this.state.get("camera") === "") this.view.home(); // nobody chose another
    this.moved();
  }

  moved() {
    this.moving = 6;
    this.stale = true;
  }

  pose() {
    return { eye: this.camera.position.clone(), target: this.controls.target.clone() };
  }

  /** Whether the camera stands at a pose. */
  standsAt({ eye, target }) {
    return eye.distanceTo(this.camera.position) < 1e-6 && target.distanceTo(this.controls.target) < 1e-6;
  }

  put({ eye, target }) {
    this.camera.position.copy(eye);
    this.controls.target.copy(target);
    this.camera.lookAt(target);
    this.moved();
  }

  /** Fly from a pose to where the camera stands; true once it is there, false if something else moved it. */
  flyFrom(from) {
    const to = this.pose();
    this.stop(false); // of an earlier flight, which went elsewhere
    if (this.standsAt(from) || !Flight.wanted()) return Promise.resolve(true);
    this.put(from);
    return new Promise((land) => (this.flight = new Flight(from, to, land)));
  }

  /** No flight any more: at its end, or where it is. */
  stop(there = true) {
    if (!this.flight) return;
    const { to, land } = this.flight;
    this.flight = null;
    if (there) this.put(to);
    land(false);
  }

  /**
   * What lies under the pointer is what the wheel approaches: the point about which the camera turns moves
   * to its depth, which changes nothing in the picture. Else one would fly through what one points at.
   */
  aim({ offsetX: x, offsetY: y, timeStamp: now }) {
    const { aimed } = this;
    this.aimed = { x, y, now };
    if (aimed && now - aimed.now < GESTURE && Math.hypot(x - aimed.x, y - aimed.y) < 4) return; // it goes on
    this.stop(false);
    const point = this.view?.under?.(x, y);
    if (!point) return;
    const { camera, controls } = this;
    const forward = camera.getWorldDirection(new THREE.Vector3());
    const depth = point.sub(camera.position).dot(forward);
    if (depth < controls.minDistance) return;
    controls.target.copy(camera.position).addScaledVector(forward, depth);
    this.moved();
  }

  keep() {
    const numbers = [...this.camera.position.toArray(), ...this.controls.target.toArray()];
    this.state.set({ camera: numbers.map((x) => +x.toFixed(7)).join("_") });
  }

  /** Show a view. */
  enter(name, view) {
    this.stop();
    if (this.view) {
      this.cameras[this.name] = this.pose();
      this.view.leave();
    }
    this.name = name;
    this.view = view;
    this.renderer.clear();
    this.camera.fov = view.fov ?? 32;
    this.camera.updateProjectionMatrix();
    view.enter();
    this.place();
  }

  /** Put the camera where the address says, else where it was left, else where all is seen. */
  place() {
    this.stop();
    const { name, view } = this;
    const given = this.state.get("camera").split("_").map(Number);
    view.home();
    if (given.length === 6 && given.every(Number.isFinite)) {
      this.camera.position.fromArray(given);
      this.controls.target.fromArray(given, 3);
    } else if (this.cameras[name]) {
      this.put(this.cameras[name]);
      this.keep();
    }
    this.controls.update();
    this.moved();
  }

  /** The whole object in the picture, from a side if the view knows several. */
  home(side) {
    const from = this.pose();
    this.view.home(side);
    this.keep();
    this.flyFrom(from);
  }

  /**
   * Look at `target` from `direction` so that `points` (offsets from the target: to the right, up,
   * nearer) lie within the picture, whatever its shape.
   */
  lookAt(target, direction, points) {
    const high = Math.tan((this.camera.fov * Math.PI) / 360) / MARGIN;
    const wide = high * this.camera.aspect;
    let away = 1e-3;
    for (const [x, y, z] of points) away = Math.max(away, Math.abs(x) / wide + z, Math.abs(y) / high + z);
    this.controls.target.copy(target);
    this.camera.position.copy(target).addScaledVector(direction.clone().normalize(), away);
    this.camera.up.set(0, 1, 0);
    this.controls.minDistance = Math.min(0.002 * away, 0.02);
    this.controls.maxDistance = 8 * away;
    this.camera.near = away / 500;
    this.camera.far = away * 30;
    this.camera.updateProjectionMatrix();
    this.controls.update();
    this.moved();
  }

  /** Turn the camera about what it looks at, radians; `nearer` above 1 approaches. */
  orbit(around, over, nearer = 1) {
    this.stop();
    const away = this.camera.position.clone().sub(this.controls.target);
    const spherical = new THREE.Spherical().setFromVector3(away);
    spherical.theta += around;
    spherical.phi += over;
    spherical.radius = Math.min(Math.max(spherical.radius / nearer, this.controls.minDistance), this.controls.maxDistance);
    spherical.makeSafe();
    this.camera.position.setFromSpherical(spherical).add(this.controls.target);
    this.moved();
    this.keep();
  }

  frame() {
    if (this.flight) {
      const { flight } = this;
      this.put(flight.pose());
      if (flight.over) {
        this.flight = null;
        flight.land(true);
      }
    } else this.controls.update();
    const moving = this.moving > 0;
    if (moving) this.moving--;
    if (!this.view || !(this.stale || this.view.wants?.())) return false;
    this.stale = moving;
    this.planes();
    this.view.draw(moving);
    this.view.overlay?.();
    return true;
  }

  /** What lies between the nearest and the farthest that is drawn follows the camera. */
  planes() {
    const { near } = this.camera;
    const away = this.camera.position.distanceTo(this.controls.target);
    this.camera.near = Math.max(away / 500, 1e-4);
    this.camera.far = away + 60 * this.view.extent();
    if (near !== this.camera.near) this.camera.updateProjectionMatrix();
    this.camera.updateMatrixWorld();
  }

  /** mm of a pixel at the distance of what one looks at. */
  pixel() {
    const away = this.camera.position.distanceTo(this.controls.target);
    return (2 * away * Math.tan((this.camera.fov * Math.PI) / 360)) / this.height;
  }

  /** Set the width and the words of a scale bar, which holds at the distance of what one looks at. */
  scaleBar(element) {
    const mm = this.pixel();
    const lengths = [2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000];
    const length = lengths.find((um) => um / 1000 / mm > 50) ?? 10000;
    element.style.width = `${(length / 1000 / mm).toFixed(1)}px`;
    element.textContent = length < 1000 ? `${length} µm` : `${length / 1000} mm`;
  }

  /** Put an element where a point is in the picture; hide it where there is none. */
  mark(element, point) {
    element.hidden = !point;
    if (!point) return;
    const [x, y] = this.project(point);
    element.style.transform = `translate(${x.toFixed(1)}px, ${y.toFixed(1)}px)`;
  }

  /** Screen coordinates (CSS pixels) of a point, and whether it is in front. */
  project(point) {
    const p = point.clone().project(this.camera);
    return [(p.x + 1) * 0.5 * this.width, (1 - p.y) * 0.5 * this.height, p.z < 1];
  }
}
