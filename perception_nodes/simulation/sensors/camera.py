"""A picture of a camera with its exact truth: what each pixel shows, how far it is, and a box around each actor.

In order: look along each pixel, colour what is met, cast shadows, light it, mirror it in water, put dirt and rain on
the lens, expose, read out.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from typing import Final

import numpy as np
import numpy.typing as npt

from perception_nodes.datatypes import Detections2D, Image
from perception_nodes.geometry import CameraModel, Transform

from .camera_develop import developed, metered_gain
from .camera_lens import blurred, falling, glare, lens_of, streaks
from .camera_spec import CameraSpec, camera_spec
from .camera_truth import MASK_CLASSES, boxes_of, mask_of
from .camera_view import Band, Shot, look, prepare
from .moment import Moment
from .scene import View
from .shading_light import light_of

__all__ = ["MASK_CLASSES", "CameraFrame", "CameraSensor", "CameraSpec", "camera_spec"]

F32 = npt.NDArray[np.float32]
F64 = npt.NDArray[np.float64]
I32 = npt.NDArray[np.int32]
U8 = npt.NDArray[np.uint8]

# Parts of a picture that threads take one after the other; the same whatever the number of threads.
_BANDS: Final = 4
# Cosine of the angle off the axis up to which the sun shines into a lens.
_DAZZLING: Final = 0.2


@dataclass(frozen=True, eq=False)
class CameraFrame:
    """What one picture gives.

    depth_m (H, W): along the axis of a pinhole camera, range of a fisheye, inf = sky; instance (H, W): row of the
    actor in the states at the end of the moment, -1 = none; label (H, W): index into MASK_CLASSES; boxes: around all
    that an actor would show of itself within the picture if nothing stood before it, of those of which at least one
    pixel is seen (detection_id = id of the actor); visible (N,): share of those pixels that is seen; pixels (N,): how
    many; gain: of the exposure.
    """

    image: Image
    depth_m: F32
    instance: I32
    label: U8
    boxes: Detections2D
    visible: F64
    pixels: I32
    camera: CameraModel
    gain: float


class CameraSensor:
    """One camera on the vehicle; frame_id: of its optical frame."""

    def __init__(self, spec: CameraSpec, base_from_optical: Transform, frame_id: str) -> None:
        self.spec, self.frame_id, self.camera = spec, frame_id, spec.camera
        self._base_from_optical = base_from_optical
        self._local = spec.directions()
        self._seed = zlib.crc32(frame_id.encode())
        rows = np.linspace(0, spec.height_px, _BANDS + 1).astype(int)
        self._bands = [slice(int(a), int(b)) for a, b in pairwise(rows)]

    def frame(self, moment: Moment, stamp_ns: int, rng: np.random.Generator) -> CameraFrame:
        """The picture whose last row is read out at the end of the moment."""
        shape = (self.spec.height_px, self.spec.width_px)
        light = np.zeros((*shape, 3), np.float32)
        exposure_s = self.spec.exposure(moment.weather.night)
        first: list[Band] = []
        view = moment.scene.look(moment.span)
        prepare(moment)
        for k, before_s in enumerate(self._times(exposure_s)):
            shot = self._shot(moment, before_s)
            bands = moment.scene.spread(partial(look, moment, view, shot), self._bands)
            light += np.concatenate([b.light for b in bands]).reshape(*shape, 3)
            first = bands if k == 0 else first
        light /= self.spec.blur_samples
        range_m, instance, material, marking = (
            np.concatenate([getattr(b, name) for b in first]).reshape(shape)
            for name in ("range_m", "owner", "material", "marking")
        )
        self._dazzle(moment, view, light)
        light = self._through_lens(moment, light, range_m, rng)
        gain = metered_gain(light, self.spec)
        seed, width = int(rng.integers(2**62)), self.spec.width_px
        bgr = np.concatenate(moment.scene.spread(
            lambda rows: developed(light[rows], gain, self.spec, exposure_s, (seed, rows.start * width)), self._bands
        ))  # fmt: skip
        axis = self._local[:, 2].reshape(shape) if self.spec.projection == "pinhole" else 1.0
        boxes, visible, pixels = boxes_of(
            moment, first, self._placed(moment), self.camera, stamp_ns, self.frame_id
        )
        return CameraFrame(
            Image(stamp_ns, self.frame_id, bgr), (range_m * axis).astype(np.float32), instance,
            mask_of(moment, material, instance, range_m, marking), boxes, visible, pixels, self.camera, gain,
        )  # fmt: skip

    def _times(self, exposure_s: float) -> F64:
        """Seconds before the end of the moment of each picture that is averaged, the latest first."""
        n = self.spec.blur_samples
        return np.arange(n) / n * exposure_s if n > 1 else np.zeros(1)

    def _placed(self, moment: Moment) -> Transform:
        return moment.odom_from_base() @ self._base_from_optical

    def _shot(self, moment: Moment, before_s: float) -> Shot:
        """Where the camera is and looks for each row."""
        spec, duration = self.spec, moment.end_s - moment.start_s
        rows = np.arange(spec.height_px) + 1.0
        late = before_s + spec.rolling_shutter_s * (1.0 - rows / spec.height_px)
        fraction = np.clip(1.0 - late / duration, 0.0, 1.0)
        rotation, position = moment.path(fraction)
        mount = self._base_from_optical
        position = position + rotation @ mount.translation_m
        return Shot(self.spec, self._local, rotation @ mount.rotation, position, fraction)

    def _dazzle(self, moment: Moment, view: View, light: F32) -> None:
        """Add what the lens scatters of a sun that shines on it."""
        lamp = light_of(moment.weather)
        placed = self._placed(moment)
        towards = placed.rotation.T @ lamp.sun
        if lamp.sun_rgb.max() <= 0 or towards[2] < _DAZZLING:
            return
        # The sun is behind something by and by: several rays to it, from places about the lens.
        around = np.array([[x, y, 0.0] for x in (-0.1, 0.0, 0.1) for y in (-0.1, 0.0, 0.1)])
        start = np.ascontiguousarray(placed.apply(around), np.float32)
        fraction = np.ones(len(start), np.float32)
        share = 1.0 - float(view.stops(start, lamp.sun, fraction, self.spec.far_m).mean())
        if share > 0:
            glow = share * (1.0 + 3.0 * moment.weather.dirt) * lamp.sun_rgb
            glare(self._local, towards, glow, light.reshape(-1, 3))

    def _through_lens(self, moment: Moment, light: F32, range_m: F32, rng: np.random.Generator) -> F32:
        """Bloom of what is too bright, falling rain and snow, drops and dirt."""
        weather, spec = moment.weather, self.spec
        size = (spec.height_px, spec.width_px)
        lamp = light_of(weather)
        if weather.rain_mm_h > 0 or weather.snow_mm_h > 0:
            lines = falling(rng, size, spec.focal_px, weather, spec.exposure(weather.night))
            white = 1.2 * lamp.ambient + 0.1 * lamp.sun_rgb + 0.35 * lamp.lamps
            streaks(light, lines, range_m, white)
        if weather.night or light.max() > 6.0:
            over = np.minimum(light, 8.0) * (light > (0.3 if weather.night else 3.0))
            if over.any():
                light = light + 0.06 * blurred(over, 5.0 * spec.width_px / 416)
        if weather.dirt <= 0 and weather.rain_mm_h <= 0:
            return light
        lens = lens_of(self._seed, size, weather.dirt, weather.rain_mm_h, moment.end_s)
        soft = blurred(light, 6.0 * spec.width_px / 416)
        if lens.drops:
            through = (lens.source != _self_of(size)).any(axis=-1)
            light[through] = soft[lens.source[through, 1], lens.source[through, 0]]
        if weather.dirt > 0:
            mean = light.mean(axis=(0, 1))
            brown = np.array([0.30, 0.24, 0.17]) * mean + 0.15 * soft
            light = light + lens.dirt[..., None] * (brown - light)
        return np.ascontiguousarray(light, np.float32)


def _self_of(size: tuple[int, int]) -> I32:
    rows, columns = np.mgrid[: size[0], : size[1]].astype(np.int32)
    return np.stack([columns, rows], axis=-1)
