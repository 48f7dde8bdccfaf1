// A camera on its way from one place to another.

import * as THREE from "three";

const LASTS = 700; // ms
const STRIDE = 1 / 6; // of the way, between frames

/** Between two poses: the target straight, the eye around it. */
export function between(a, b, x) {
  const target = a.target.clone().lerp(b.target, x);
  const [p, q] = [a, b].map(({ eye, target: t }) => new THREE.Spherical().setFromVector3(eye.clone().sub(t)));
  const turn = q.theta - p.theta;
  const shorter = turn - 2 * Math.PI * Math.round(turn / (2 * Math.PI));
  const radius = p.radius * (q.radius / p.radius) ** x;
  const eye = new THREE.Vector3().setFromSpherical(new THREE.Spherical(radius, p.phi + x * (q.phi - p.phi), p.theta + x * shorter));
  return { target, eye: eye.add(target) };
}

/** Slow at both ends. */
export const ease = (x) => x * x * (3 - 2 * x);

/** From a pose to another within a moment; `land` is called with whether it came there. */
export class Flight {
  constructor(from, to, land) {
    Object.assign(this, { from, to, land, part: 0, last: performance.now() });
  }

  /** Whether anybody sees a flight, and likes to. */
  static wanted() {
    return !document.hidden && !matchMedia("(prefers-reduced-motion: reduce)").matches;
  }

  /** The pose of now; at the end, exactly the last. Where frames are slow it takes longer and is still seen. */
  pose() {
    const now = performance.now();
    this.part += Math.min((now - this.last) / LASTS, STRIDE);
    this.last = now;
    this.over = this.part >= 1;
    return this.over ? this.to : between(this.from, this.to, ease(this.part));
  }
}
