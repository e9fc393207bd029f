"""JPEG files, decoded by nvImageCodec: on a GPU, or by the same calls on the CPU."""

import threading
from collections.abc import Sequence
from typing import Any

from headrace.errors import ModelInvalid
from headrace.models.imported import imported


class JpegDecoder:
    """Decodes on one device; threads have a decoder each."""

    def __init__(self, device: str) -> None:
        """Make the calling thread's decoder, so that what is missing is told now.

        Args:
            device: ``"cuda:0"``, or ``"cpu"`` for the library's own decoders there.

        Raises:
            ModelInvalid: the library is not installed, or has no decoder for the device.
        """
        try:
            from nvidia import nvimgcodec
        except ImportError as error:
            raise ModelInvalid(
                "preprocess_images with decode: gpu needs nvImageCodec, "
                f"pip install 'headrace[nvimgcodec]': {error}"
            ) from error
        self._library = nvimgcodec
        self._device = device
        # Files are seen as viewers show them, as RGB of 8 bits: as the core's decoder does.
        self._params = nvimgcodec.DecodeParams(
            apply_exif_orientation=True, color_spec=nvimgcodec.ColorSpec.SRGB
        )
        self._local = threading.local()
        try:
            self._decoder()
        except RuntimeError as error:
            raise ModelInvalid(
                f"preprocess_images with decode: gpu: nvImageCodec has no decoder on {device}: "
                f"{error}"
            ) from error

    def decode(self, files: Sequence[bytes]) -> list[Any]:
        """Return pictures uint8 ``[height, width, 3]``, upright; None of what cannot be decoded.

        They are where they were decoded, ready for who works on PyTorch's current stream.
        """
        decoded: list[Any] = self._decoder().decode(
            list(files), params=self._params, cuda_stream=self._stream()
        )
        return decoded

    def _decoder(self) -> Any:
        if not hasattr(self._local, "decoder"):
            library, kinds = self._library, self._library.BackendKind
            if self._device == "cpu":
                number, chosen = library.NVIMGCODEC_DEVICE_CPU_ONLY, [kinds.CPU_ONLY]
            else:
                number = int(self._device.partition(":")[2] or 0)
                chosen = [kinds.HW_GPU_ONLY, kinds.GPU_ONLY, kinds.HYBRID_CPU_GPU]
            self._local.decoder = library.Decoder(
                device_id=number,
                backends=[library.Backend(kind) for kind in chosen],
                # Colours between the samples that a file has, as the core's decoder makes them.
                options=":fancy_upsampling=1",
            )
        return self._local.decoder

    def _stream(self) -> int:
        torch = imported("torch")
        if self._device == "cpu" or torch is None:
            return 0
        return int(torch.cuda.current_stream(self._device).cuda_stream)
