"""CompositePairs: training pairs made from segmented photographs, with boxes exact by construction."""
from dataclasses import dataclass

import cv2
import numpy as np

from ct_mm.registry import DATASETS

from . import compositing
from .compositing import Cutout, Layer
from .segment_photos import Photograph, Segment


@dataclass
class _Scene:
    """The parts that both frames of a pair share; ``segment_middle`` is set if the target belongs to the background."""
    backgrounds: tuple[np.ndarray, np.ndarray]  # (H, W, 3) uint8 each, of the template and of the search frame
    target: Cutout
    size: float  # geometric mean of the target's sides on the canvas, pixels
    segment_middle: np.ndarray | None  # (2,) in pixels of the background
    distractors: list[Cutout]
    source: list[str]


@dataclass
class _Pose:
    """Position, size and orientation of the target in one frame."""
    centre: np.ndarray  # (2,) on the canvas, pixels
    stretch: np.ndarray  # (2,) factors on top of the scene's size
    angle: float
    shear: float


@DATASETS.register_module()
class CompositePairs:
    """A source of pairs for ``PairDataset``: a segment of one photograph moves over another photograph.

    Between the two frames, the target moves, grows or shrinks, rotates and changes its aspect ratio, the background
    shifts and zooms, and light, blur, noise and compression change. Distractors move behind the target: segments of the
    same and of other photographs, and the target's own shape in other colours. Occluders hide part of it. The box is
    the tight box of the whole target inside the canvas, whether occluded or not.

    In a static pair, the target stays where it was photographed: it is a segment of the photograph that both frames
    show, each with its own zoom, shift, small rotation and light. Static targets have natural borders and surroundings,
    so a tracker cannot learn to find targets only by artefacts of compositing.

    Args:
        images: Config of a ``SegmentPhotos``.
        canvas: (width, height) of a frame in pixels. Defaults to (320, 240).
        target_size: Range of the geometric mean of the target's sides, in pixels, drawn log-uniformly.
            Defaults to (16, 120).
        static_fraction: Probability of a static pair. Defaults to 0.5.
        max_distractors: Maximum number of distractors in a scene. Defaults to 3.
        occlusion: Probability of an occluder in the search frame; it is a quarter of this in the template frame.
            Defaults to 0.3.
        min_visible: Minimum fraction of the target that canvas border and occluder leave visible. Defaults to 0.4.
        bend: Standard deviation by which the target of a non-static pair bends between the frames, relative to its
            sides (see :func:`~ct_mm.tracking.datasets.pairs.compositing.bend`). Defaults to 0, a rigid target.
        videos: Config of a ``VideoBackgrounds`` used as the background of half of the non-static pairs. Defaults to
            None.
        num_templates: Number of template frames; from each frame to the next, the target moves on. Defaults to 1.

    Raises:
        ValueError: ``target_size`` is not ordered or does not fit the canvas, or ``num_templates`` is below 1.
    """

    def __init__(self, images: dict, canvas: tuple[int, int] = (320, 240), target_size: tuple[float, float] = (16, 120),
                 static_fraction: float = 0.5, max_distractors: int = 3, occlusion: float = 0.3,
                 min_visible: float = 0.4, bend: float = 0.0, videos: dict | None = None,
                 num_templates: int = 1) -> None:
        if not 0 < target_size[0] <= target_size[1] <= min(canvas):
            raise ValueError(f'CompositePairs: target_size={tuple(target_size)} must be ordered and fit into '
                             f'canvas={tuple(canvas)}')
        if num_templates < 1:
            raise ValueError(f'CompositePairs: num_templates must be at least 1, got {num_templates}')
        self.photos, self.num_templates = DATASETS.build(images), num_templates
        self.canvas, self.target_size, self.static_fraction = tuple(canvas), tuple(target_size), static_fraction
        self.max_distractors, self.occlusion, self.min_visible = max_distractors, occlusion, min_visible
        self.bend, self.videos = bend, None if videos is None else DATASETS.build(videos)

    def draw_pair(self, rng: np.random.Generator) -> dict | None:
        """Renders one pair.

        Args:
            rng: The only source of randomness.

        Returns:
            ``template`` and ``search``, each with ``img`` (H, W, 3) RGB uint8 and ``bbox`` (4,) float64 xywh in pixels,
            and ``source``, the photographs' names; ``template`` is a list if there are several. None if the target is
            not on the canvas; then draw again.

        Raises:
            RuntimeError: None of 100 photographs has a suitable segment.
        """
        static = rng.random() < self.static_fraction
        scene = self._static_scene(rng) if static else self._free_scene(rng)
        poses, frames = [self._first_pose(scene, rng)], []
        for _ in range(self.num_templates):
            poses.append(self._next_pose(poses[-1], scene, rng))
        for number, pose in enumerate(poses):
            searched = number == self.num_templates
            frame = self._render(scene, scene.backgrounds[searched], pose, self.occlusion / (1 if searched else 4), rng)
            if frame is None:
                return None
            frames.append(frame)
        *templates, search = frames
        return dict(template=templates if len(templates) > 1 else templates[0], search=search, source=scene.source)

    def _draw_target(self, rng: np.random.Generator, static: bool = False) -> tuple[Photograph, Segment]:
        """Returns a photograph and one of its segments; for a static pair, a complete one that is small enough."""
        for _ in range(100):
            photograph = self.photos[rng.integers(len(self.photos))]
            segments = photograph.segments
            if static:  # the photograph is scaled to cover the canvas, which may make a segment too large
                largest = self.target_size[1] / self._cover(photograph)
                segments = [s for s in segments if _mean_side(s) <= largest and _is_whole(s, photograph.image)]
            if segments:
                return photograph, segments[rng.integers(len(segments))]
        raise RuntimeError(f'CompositePairs: none of 100 photographs, the last one {photograph.name}, has a segment '
                           f'suitable as the target of a {"static" if static else "composite"} pair; relax area, '
                           'min_texture or min_contrast of `images`' + ', or raise target_size' * static)

    def _cover(self, photograph: Photograph) -> float:
        """Returns the smallest scale at which a photograph covers the canvas."""
        height, width = photograph.image.shape[:2]
        return max(self.canvas[0] / width, self.canvas[1] / height)

    def _draw_size(self, segment: Segment, rng: np.random.Generator) -> float:
        size = np.exp(rng.uniform(*np.log(self.target_size)))
        return min(size, 1.8 * _mean_side(segment))  # larger targets would be blurred

    def _static_scene(self, rng: np.random.Generator) -> _Scene:
        photograph, segment = self._draw_target(rng, static=True)
        x, y, w, h = segment.box
        size = max(self._draw_size(segment, rng), self._cover(photograph) * _mean_side(segment))
        target = compositing.cut_out(photograph, segment, feather=False)  # only its box is needed
        distractors = self._draw_distractors(compositing.cut_out(photograph, segment), [], rng)
        return _Scene((photograph.image, ) * 2, target, size, np.array([x + (w - 1) / 2, y + (h - 1) / 2]), distractors,
                      [photograph.name])

    def _free_scene(self, rng: np.random.Generator) -> _Scene:
        photograph, segment = self._draw_target(rng)
        if self.videos is not None and rng.random() < 0.5:
            backgrounds, name = self.videos.draw(rng)
        else:
            background = self.photos[rng.integers(len(self.photos))]
            backgrounds, name = (background.image, ) * 2, background.name
        target = compositing.cut_out(photograph, segment)
        siblings = [compositing.cut_out(photograph, s) for s in photograph.segments if s is not segment]
        distractors = self._draw_distractors(target, siblings, rng)
        return _Scene(backgrounds, target, self._draw_size(segment, rng), None, distractors, [photograph.name, name])

    def _draw_distractors(self, target: Cutout, siblings: list[Cutout], rng: np.random.Generator) -> list[Cutout]:
        distractors = []
        for _ in range(rng.integers(self.max_distractors + 1)):
            kind = rng.random()
            if kind < 0.3:
                distractors.append(compositing.recolour(target, rng))
            elif kind < 0.6 and siblings:
                distractors.append(siblings[rng.integers(len(siblings))])
            else:
                distractors.append(compositing.cut_out(*self._draw_target(rng)))
        return distractors

    def _first_pose(self, scene: _Scene, rng: np.random.Generator) -> _Pose:
        centre = rng.uniform(0.2, 0.8, 2) * self.canvas
        turned = 0.0 if scene.segment_middle is not None else 0.1
        aspect = turned * rng.standard_normal()
        return _Pose(centre, np.exp([aspect, -aspect]), turned * rng.standard_normal(), 0.0)

    def _next_pose(self, pose: _Pose, scene: _Scene, rng: np.random.Generator) -> _Pose:
        growth, aspect = 0.15 * rng.standard_normal(), 0.08 * rng.standard_normal()
        centre = np.clip(pose.centre + 0.7 * scene.size * rng.standard_normal(2),
                         0.1 * np.array(self.canvas), 0.9 * np.array(self.canvas))
        return _Pose(centre, pose.stretch * np.exp([growth + aspect, growth - aspect]),
                     pose.angle + 0.12 * rng.standard_normal(), 0.06 * rng.standard_normal())

    def _render(self, scene: _Scene, background: np.ndarray, pose: _Pose, occlusion: float,
                rng: np.random.Generator) -> dict | None:
        cutout = scene.target
        if self.bend and scene.segment_middle is None:
            cutout = compositing.bend(cutout, rng, self.bend)
        scale = pose.stretch * scene.size / np.sqrt(scene.target.alpha.size)
        if scene.segment_middle is None:
            canvas = self._free_background(background, rng)
            matrix = compositing.placement(cutout.alpha.shape[::-1], pose.centre, scale, pose.angle, pose.shear)
        else:
            canvas, matrix = self._tied_background(scene, pose, scale)
        target = compositing.warp(cutout, matrix, self.canvas)
        whole = cutout.alpha.sum(dtype=np.int64) * abs(np.linalg.det(matrix[:, :2]))
        if target is None or target.alpha.sum(dtype=np.int64) < max(self.min_visible, 0.6) * whole:
            return None
        box = compositing.tight_box(target)
        if box is None:
            return None
        for distractor in scene.distractors:
            if rng.random() < 0.8:
                layer = self._beside(distractor, scene.size, box, rng, nearest=0.9, furthest=2.5)
                if layer is not None:
                    compositing.paint(canvas, compositing.behind(layer, target, self.canvas))
        if scene.segment_middle is None:
            target = Layer(target.x, target.y, compositing.relight(target.rgb, rng, 0.4), target.alpha)
            compositing.paint(canvas, target)
        if rng.random() < occlusion:
            occluder = compositing.cut_out(*self._draw_target(rng))
            layer = self._beside(occluder, scene.size, box, rng, nearest=0.3, furthest=0.75)
            if layer is not None:
                seen = compositing.behind(target, layer, self.canvas).alpha.sum(dtype=np.int64)
                if seen >= self.min_visible * whole:
                    compositing.paint(canvas, layer)
        return dict(img=compositing.camera(compositing.relight(canvas, rng, 0.7), rng), bbox=box)

    def _free_background(self, photo: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Returns a random window of a photograph, resized to the canvas."""
        size = np.array(photo.shape[1::-1])
        window = np.maximum(np.min(size / self.canvas) * np.exp(-rng.uniform(0, 0.5)) * np.array(self.canvas), 1)
        x, y = (rng.random(2) * (size - window)).astype(int)
        w, h = window.astype(int)
        return cv2.resize(photo[y:y + h, x:x + w], self.canvas)

    def _tied_background(self, scene: _Scene, pose: _Pose, scale: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Returns the target's photograph on the canvas, and the matrix that places the cutout on its segment."""
        height, width = scene.backgrounds[0].shape[:2]
        fit = max(1.0, max(self.canvas[0] / (width * scale[0]), self.canvas[1] / (height * scale[1])))
        scale = scale * fit  # the photograph must cover the canvas, so a target may be larger than drawn
        matrix = compositing.placement((width, height), (0, 0), scale, pose.angle, pose.shear)
        shift = pose.centre - matrix @ [*scene.segment_middle, 1]
        half = scale * (width, height) / 2
        shift = np.clip(shift, np.array(self.canvas) - half, half)
        matrix[:, 2] += shift
        canvas = cv2.warpAffine(scene.backgrounds[0], matrix, self.canvas, borderMode=cv2.BORDER_REFLECT_101)
        middle = matrix @ [*scene.segment_middle, 1]
        return canvas, compositing.placement(scene.target.alpha.shape[::-1], middle, scale, pose.angle, pose.shear)

    def _beside(self, cutout: Cutout, size: float, box: np.ndarray, rng: np.random.Generator, nearest: float,
                furthest: float) -> Layer | None:
        """Warps a cutout of about the target's size to a place at a distance given in units of the box's sides."""
        scale = size * np.exp(0.25 * rng.standard_normal()) / np.sqrt(cutout.alpha.shape[0] * cutout.alpha.shape[1])
        direction, distance = rng.uniform(0, 2 * np.pi), rng.uniform(nearest, furthest)
        centre = box[:2] + box[2:] / 2 + distance * box[2:] * [np.cos(direction), np.sin(direction)]
        scales = rng.choice([-1, 1]) * scale, scale  # mirrored or not
        matrix = compositing.placement(cutout.alpha.shape[::-1], centre, scales, 0.2 * rng.standard_normal())
        return compositing.warp(cutout, matrix, self.canvas)


def _mean_side(segment: Segment) -> float:
    """Returns the geometric mean of the sides of a segment's box, in pixels of the photograph."""
    return float(np.sqrt(segment.box[2] * segment.box[3]))


def _is_whole(segment: Segment, image: np.ndarray) -> bool:
    """Returns whether the photograph's border does not cut the segment."""
    x, y, w, h = segment.box
    return x > 0 and y > 0 and x + w < image.shape[1] and y + h < image.shape[0]
