"""Images to classify: arrays, files, and Pillow images, checked and brought to one form.

The form is that of the library: ``uint8`` arrays of RGB pixels from 0 to 255, ``(images, height, width, 3)``, contiguous. Arrays in
this form are not copied.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias, Union, cast

import numpy as np
from numpy.typing import NDArray

from ._notes import logger
from .errors import UsageError

if TYPE_CHECKING:
    from PIL.Image import Image as PillowImage

#: The pixels of one or more images, as the library takes them.
Pixels: TypeAlias = NDArray[np.uint8]

#: One image: an array ``(height, width, 3)``, ``(height, width)`` or ``(height, width, 1)`` of values from 0 to 255, the path of a
#: file, or a Pillow image.
Image: TypeAlias = Union[NDArray[Any], str, "os.PathLike[str]", "PillowImage"]

#: Images: an array ``(images, height, width, 3)`` or ``(images, height, width, 1)``, one image, or a sequence of images of any kind
#: and size.
Images: TypeAlias = Union[Image, Sequence[Image]]

#: Decodes image files.
Decode: TypeAlias = Callable[[list[str]], list[Pixels]]


def batches(images: Images, size: int, decode: Decode, exif: bool) -> Iterator[list[Pixels]]:
    """Yields the images in batches of up to ``size``, each a list of arrays.

    :param decode: Decodes the files of a batch.
    :param exif: Whether Pillow images are rotated by their EXIF orientation, as ``decode`` rotates files.
    """
    images = path_list(images)
    if isinstance(images, (str, os.PathLike)) or _is_pillow(images):
        images = [cast("Image", images)]
    elif _is_array(images):
        array = pixels(np.asarray(images), "the array")
        for start in range(0, len(array), size):
            yield [array[start : start + size]]
        return
    elif not isinstance(images, Sequence):
        raise _not_an_image(images, "images")
    if len(images) == 0:
        raise UsageError("no images: the list is empty, expected at least one image")
    for start in range(0, len(images), size):
        yield _batch(images[start : start + size], start, decode, exif)


def _batch(images: Sequence[Image], start: int, decode: Decode, exif: bool) -> list[Pixels]:
    """The arrays of a batch, whose first image has the index ``start``. Its files are decoded together."""
    paths = [file_path(image) for image in images if isinstance(image, (str, os.PathLike))]
    decoded = iter(decode(paths) if paths else [])
    arrays = []
    for index, image in enumerate(images, start):
        if isinstance(image, (str, os.PathLike)):
            arrays.append(next(decoded))
        elif _is_pillow(image):
            arrays.append(pixels(_from_pillow(cast("PillowImage", image), exif), f"image {index}"))
        else:
            arrays.append(one_image(image, index))
    return arrays


def one_image(image: Any, index: int) -> Pixels:
    """The pixels of an image of a list that is not a file: an array, or a Pillow image without an orientation."""
    name = f"image {index}"
    if _is_pillow(image):
        return pixels(_from_pillow(image, exif=False), name)
    if not _is_array(image):
        raise _not_an_image(image, name)
    array = pixels(np.asarray(image), name)
    if len(array) != 1:
        raise UsageError(
            f"{name}: an array of {len(array)} images in a list, expected one image",
            "pass the array itself, or a list of its images: `list(array)`",
        )
    return array


def is_rotated(image: Any) -> bool:
    """Whether this is a Pillow image with an EXIF orientation other than upright."""
    return _is_pillow(image) and image.getexif().get(0x0112, 1) != 1


def file_path(path: str | os.PathLike[str]) -> str:
    """The path of a file as the library takes it."""
    text = os.fspath(path)
    # The library reads standard input for `-`.
    return os.path.join(os.curdir, text) if text == "-" else text


def _is_array(value: object) -> bool:
    return isinstance(value, np.ndarray) or hasattr(value, "__array__")


def path_list(images: Images) -> Images:
    """A column of paths, such as one of pandas, as a list; anything else as it is."""
    if _is_array(images):
        array = np.asarray(images)
        if array.ndim == 1 and array.dtype.kind in "OUT":
            return cast("list[Image]", array.tolist())
    return images


def _is_pillow(value: object) -> bool:
    # Without importing Pillow, which may not be installed.
    return any(base.__module__ == "PIL.Image" for base in type(value).__mro__)


def _not_an_image(value: object, name: str) -> UsageError:
    expected = "expected a NumPy array, the path of a file, or a Pillow image"
    help = "np.asarray(...) makes an array"
    if isinstance(value, Iterable) and not isinstance(value, Sequence):
        expected, help = f"{expected}, or a list of these", "list(...) makes a list"
    return UsageError(f"{name}: {type(value).__name__}, {expected}", help)


def _from_pillow(image: PillowImage, exif: bool) -> NDArray[Any]:
    """The RGB pixels of a Pillow image."""
    if exif:
        from PIL import ImageOps

        image = ImageOps.exif_transpose(image)
    if image.mode.startswith("I;16"):
        # Pillow would saturate: 257 * 255 is 65,535.
        return np.asarray(image).astype(np.float64) / 257
    if image.mode in ("I", "F"):
        return np.asarray(image)
    return np.asarray(image.convert("RGB"))


def pixels(array: NDArray[Any], name: str) -> Pixels:
    """Checks an array, and returns it as ``(images, height, width, 3)`` of ``uint8``.

    :raises UsageError: If its layout, type or values are not those of images.
    """
    values = gray_or_color(array, name)
    return np.repeat(values, 3, axis=3) if values.shape[3] == 1 else values


def gray_or_color(array: NDArray[Any], name: str) -> Pixels:
    """Checks an array, and returns it as ``(images, height, width, 1)`` or ``(images, height, width, 3)`` of ``uint8``.

    :raises UsageError: If its layout, type or values are not those of images.
    """
    array = _batch_layout(array, name)
    values = _byte_values(array, name)
    if values is array:
        _note_tiny_values(values, name)
    return np.ascontiguousarray(values)


def _batch_layout(array: NDArray[Any], name: str) -> NDArray[Any]:
    """The array with a dimension for images and one for channels, of which there are one or three."""
    shape = array.shape
    if array.ndim == 2:
        array = array[np.newaxis, :, :, np.newaxis]
    elif array.ndim == 3 and shape[2] in (1, 3):
        array = array[np.newaxis]
    elif array.ndim == 3 and shape[0] in (1, 3):
        raise _channels_first(name, shape, "array.transpose(1, 2, 0)")
    elif array.ndim == 4 and shape[3] not in (1, 3) and shape[1] in (1, 3):
        raise _channels_first(name, shape, "array.transpose(0, 2, 3, 1)")
    elif array.ndim in (3, 4) and shape[-1] == 4:
        raise UsageError(
            f"{name}: shape {shape} has four channels, expected red, green and blue",
            "leave the alpha channel out: `array[..., :3]`",
        )
    elif array.ndim == 3:
        raise UsageError(
            f"{name}: shape {shape}, expected (height, width, 3) or (images, height, width, 3)",
            "for a batch of gray images, add a channel: `array[..., np.newaxis]`",
        )
    elif array.ndim != 4 or shape[3] not in (1, 3):
        raise UsageError(
            f"{name}: shape {shape}, expected (height, width, 3) or (images, height, width, 3)",
            "flattened images need their shape: `array.reshape(-1, height, width, 3)`",
        )
    if 0 in array.shape:
        raise UsageError(f"{name}: shape {shape} is empty, expected at least one image of at least one pixel")
    return array


def _channels_first(name: str, shape: tuple[int, ...], fix: str) -> UsageError:
    return UsageError(
        f"{name}: shape {shape} has the channels first, as in PyTorch, expected them last: (..., height, width, 3)",
        f"`{fix}`",
    )


def _byte_values(array: NDArray[Any], name: str) -> Pixels:
    """The values as ``uint8``."""
    if array.dtype == np.uint8:
        return array
    kind = array.dtype.kind
    if kind not in "iuf":
        raise UsageError(
            f"{name}: type {array.dtype}, expected numbers from 0 to 255, best as uint8",
            "`(255 * array).astype(np.uint8)` makes pixels of booleans" if kind == "b" else None,
        )
    if kind == "f":
        finite = np.isfinite(array)
        if not finite.all():
            index = np.unravel_index(int(np.argmin(finite)), array.shape)
            raise UsageError(
                f"{name}: {array.size - int(finite.sum())} of {array.size} values are NaN or infinite, the first is "
                f"{array[index]} in image {index[0]}",
                "`np.nan_to_num(array)` replaces them",
            )
    low, high = array.min(), array.max()
    if kind == "f" and 0 <= low and 0 < high <= 1:
        raise UsageError(
            f"{name}: values from {low:.4g} to {high:.4g}, expected pixels from 0 to 255",
            "`(255 * array).round().astype(np.uint8)`",
        )
    if low < 0 or high > 255:
        normalized = kind == "f" and low < 0 and high <= 10
        raise UsageError(
            f"{name}: values from {low:.4g} to {high:.4g}, expected pixels from 0 to 255",
            "the array looks normalized; a model centers and scales pixels itself: pass them as they were before"
            if normalized
            else "scale the values to the range from 0 to 255",
        )
    rounded: Pixels = np.rint(array).astype(np.uint8)
    return rounded


def _note_tiny_values(array: Pixels, name: str) -> None:
    """Notes values that were probably between 0 and 1 before they were converted."""
    # One image is enough, and costs little.
    if array[0].max() == 1:
        logger.warning("%s: all pixels of the first image are 0 or 1, of 255: were its values from 0 to 1 before?", name)
