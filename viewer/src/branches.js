// Branches of neurons: every compartment a ribbon that faces the viewer and is shaded as a tube.

import * as THREE from "three";

const VERTEX = /* glsl */ `
precision highp float;
precision highp int;
uniform mat4 modelViewMatrix;
uniform mat4 projectionMatrix;
uniform vec2 size; // of the picture, pixels
uniform float least; // half the least width, pixels
uniform sampler2D shade; // one texel for each value of key
in vec3 position; // along 0..1, across -1..1, nothing
in vec3 begin;
in vec3 end;
in vec2 radius; // at begin and end
in float key;
out vec4 colour;
out float across;
out vec2 sideways; // in the picture
out float away;
void main() {
  int k = int(key);
  colour = texelFetch(shade, ivec2(k % 1024, k / 1024), 0);
  vec4 a = modelViewMatrix * vec4(begin, 1.0);
  vec4 b = modelViewMatrix * vec4(end, 1.0);
  vec4 at = mix(a, b, position.x);
  vec2 along = b.xy / -b.z - a.xy / -a.z;
  along = length(along) > 1e-9 ? normalize(along) : vec2(1.0, 0.0);
  float pixel = -at.z / (0.5 * size.y * projectionMatrix[1][1]); // length of a pixel here
  float own = mix(radius.x, radius.y, position.x);
  float half_width = own > 0.0 ? max(own, least * pixel) + 0.5 * pixel : 0.0; // the edge fades
  sideways = vec2(-along.y, along.x);
  away = -at.z;
  at.xy += position.y * half_width * vec2(-along.y, along.x);
  at.xy += (2.0 * position.x - 1.0) * along * min(half_width, 0.5 * distance(a.xyz, b.xyz)) * 0.35;
  across = position.y;
  gl_Position = projectionMatrix * at;
}`;

const FRAGMENT = /* glsl */ `
precision highp float;
uniform vec3 background;
uniform vec3 haze; // from and to which distance, and how much at the end
in vec4 colour;
in float across;
in vec2 sideways;
in float away;
out vec4 paint;
void main() {
  // lit from above left as somas are, and darker towards the rim: a tube
  vec3 normal = vec3(sideways * across, sqrt(max(1.0 - across * across, 0.0)));
  float light = 0.42 + 0.5 * max(dot(normal, vec3(-0.35, 0.5, 0.79)), 0.0) + 0.16 * normal.z;
  float edge = fwidth(across);
  float far = haze.z * clamp((away - haze.x) / max(haze.y - haze.x, 1e-6), 0.0, 1.0);
  paint = vec4(mix(colour.rgb * light, background, far), colour.a * (1.0 - smoothstep(1.0 - edge, 1.0, abs(across))));
  if (paint.a < 0.02) discard;
}`;

export class Branches {
  /**
   * @param {{begin: Float32Array, end: Float32Array, radius: Float32Array, key: Float32Array}} parts radius: two each, at begin and end
   * @param {number} keys how many values of key there are
   */
  constructor(parts, keys) {
    const geometry = new THREE.InstancedBufferGeometry();
    geometry.setAttribute("position", new THREE.BufferAttribute(new Float32Array([0, -1, 0, 1, -1, 0, 1, 1, 0, 0, 1, 0]), 3));
    geometry.setIndex([0, 1, 2, 0, 2, 3]);
    for (const [name, width] of [["begin", 3], ["end", 3], ["radius", 2], ["key", 1]])
      geometry.setAttribute(name, new THREE.InstancedBufferAttribute(parts[name], width));
    geometry.instanceCount = parts.key.length;
    const height = Math.max(Math.ceil(keys / 1024), 1);
    this.shades = new Uint8Array(1024 * height * 4);
    this.texture = new THREE.DataTexture(this.shades, 1024, height);
    this.uniforms = {
      size: { value: new THREE.Vector2(1, 1) },
      least: { value: 0.6 },
      background: { value: new THREE.Vector3() },
      haze: { value: new THREE.Vector3(0, 1, 0) },
      shade: { value: this.texture },
    };
    this.mesh = new THREE.Mesh(
      geometry,
      new THREE.RawShaderMaterial({
        glslVersion: THREE.GLSL3, vertexShader: VERTEX, fragmentShader: FRAGMENT,
        uniforms: this.uniforms, side: THREE.DoubleSide, transparent: true,
      }),
    );
    this.mesh.frustumCulled = false;
  }

  paint(key, [r, g, b], alpha = 255) {
    this.shades[4 * key] = r;
    this.shades[4 * key + 1] = g;
    this.shades[4 * key + 2] = b;
    this.shades[4 * key + 3] = alpha;
    this.texture.needsUpdate = true;
  }

  /** What is further off than `middle` by up to `reach` fades into the background. */
  fade(background, middle, reach, most) {
    this.uniforms.background.value.fromArray(background);
    this.uniforms.haze.value.set(middle - reach, middle + reach, most);
  }

  look(stage, least = 0.6) {
    this.uniforms.size.value.set(stage.width * stage.ratio, stage.height * stage.ratio);
    this.uniforms.least.value = least * stage.ratio;
  }

  dispose() {
    this.mesh.geometry.dispose();
    this.mesh.material.dispose();
    this.texture.dispose();
  }
}

const DOT_VERTEX = /* glsl */ `
precision highp float;
uniform mat4 modelViewMatrix;
uniform mat4 projectionMatrix;
uniform float pixels;
in vec3 position;
in vec4 colour; // alpha below 1: nothing but a halo of that strength
in vec2 size; // radius, and least radius in pixels
out vec4 shade;
out vec2 ball; // its distance and its radius as drawn
void main() {
  shade = colour;
  gl_Position = projectionMatrix * modelViewMatrix * vec4(position, 1.0);
  gl_PointSize = clamp(2.0 * size.x * pixels / gl_Position.w, 2.0 * size.y, 400.0);
  ball = vec2(gl_Position.w, 0.5 * gl_PointSize * gl_Position.w / pixels);
}`;

const DOT_FRAGMENT = /* glsl */ `
precision highp float;
uniform bool soft;
uniform mat4 projectionMatrix;
in vec4 shade;
in vec2 ball;
out vec4 paint;
void main() {
  vec2 p = 2.0 * gl_PointCoord - 1.0;
  float r2 = dot(p, p);
  if (r2 > 1.0 || shade.a < 0.004) discard;
  gl_FragDepth = gl_FragCoord.z;
  if (soft) {
    float r = sqrt(r2);
    paint = vec4(shade.rgb, shade.a * (0.9 * (1.0 - smoothstep(0.3, 0.5, r)) + 0.6 * pow(1.0 - r, 2.0)));
  } else {
    float light = 0.62 + 0.38 * dot(vec3(p.x, -p.y, sqrt(1.0 - r2)), vec3(-0.35, 0.5, 0.79));
    float r = sqrt(r2);
    // as deep as a ball is there, so that branches come out of it and not over it
    float front = ball.x - ball.y * sqrt(1.0 - r2);
    if (front > 0.0) gl_FragDepth = clamp(0.5 + 0.5 * (projectionMatrix[3][2] / front - projectionMatrix[2][2]), 0.0, 1.0);
    paint = vec4(shade.rgb * light, shade.a * (1.0 - smoothstep(1.0 - fwidth(r), 1.0, r)));
  }
}`;

/** Spheres or soft lights at points: position, colour (0..1 with alpha), size. */
export class Dots {
  constructor(count, { soft = false } = {}) {
    const geometry = new THREE.BufferGeometry();
    this.position = new Float32Array(3 * count);
    this.colour = new Float32Array(4 * count);
    this.size = new Float32Array(2 * count);
    geometry.setAttribute("position", new THREE.BufferAttribute(this.position, 3));
    geometry.setAttribute("colour", new THREE.BufferAttribute(this.colour, 4));
    geometry.setAttribute("size", new THREE.BufferAttribute(this.size, 2));
    this.uniforms = { pixels: { value: 1 }, soft: { value: soft } };
    this.mesh = new THREE.Points(
      geometry,
      new THREE.RawShaderMaterial({
        glslVersion: THREE.GLSL3, vertexShader: DOT_VERTEX, fragmentShader: DOT_FRAGMENT,
        uniforms: this.uniforms, transparent: true, depthWrite: !soft, depthTest: !soft,
      }),
    );
    this.mesh.frustumCulled = false;
  }

  look(stage) {
    this.uniforms.pixels.value = 0.5 * stage.height * stage.ratio * stage.camera.projectionMatrix.elements[5];
  }

  update(...names) {
    for (const name of names) this.mesh.geometry.attributes[name].needsUpdate = true;
  }

  dispose() {
    this.mesh.geometry.dispose();
    this.mesh.material.dispose();
  }
}
