//! Images to a model's input, without the interpreter.

use super::elements::BytesTensor;
use crate::image::ragged::{
    Colours, Fit, Layout, Output, Ragged, Resize, Source, Transform, check_files, preprocess,
    preprocess_files,
};
use numpy::{PyArray1, PyArrayMethods, PyReadonlyArray1, PyReadonlyArray2, PyReadonlyArrayDyn};
use pyo3::buffer::PyBuffer;
use pyo3::exceptions::{PyRuntimeError, PyTypeError, PyValueError};
use pyo3::prelude::*;
use std::num::NonZeroUsize;

/// `headrace_kernels.images.ragged.RaggedImages`, or what has its attributes.
#[derive(FromPyObject)]
pub(super) struct Images<'py> {
    pixels: PyReadonlyArray1<'py, u8>,
    offsets: PyReadonlyArrayDyn<'py, i64>,
    sizes: PyReadonlyArray2<'py, i32>,
}

/// `headrace_kernels.images.transform.ImageTransform`, or what has its attributes.
#[derive(FromPyObject)]
pub(super) struct Wanted {
    height: u32,
    width: u32,
    fit: String,
    resize_to: Option<u32>,
    filter: String,
    antialias: bool,
    source: String,
    colours: String,
    full_range: bool,
    channels: usize,
    reverse_channels: bool,
    mean: Vec<f32>,
    scale: Vec<f32>,
    layout: String,
    dtype: String,
    fill: u8,
}

impl Wanted {
    fn checked(self) -> Result<Transform, String> {
        let transform = Transform {
            height: self.height,
            width: self.width,
            fit: Fit::named(&self.fit)?,
            resize_to: self.resize_to,
            resize: Resize::named(&self.filter)?,
            antialias: self.antialias,
            source: Source::named(&self.source)?,
            colours: Colours::named(&self.colours)?,
            full_range: self.full_range,
            channels: self.channels,
            reverse_channels: self.reverse_channels,
            mean: self.mean,
            scale: self.scale,
            layout: Layout::named(&self.layout)?,
            output: Output::named(&self.dtype)?,
            fill: self.fill,
        };
        transform.check()?;
        Ok(transform)
    }
}

/// The tensor that images become, on the CPU and without the interpreter: what the kernel of this name does on a GPU,
/// with its arguments, on as many threads as there are cores. `out`, or a new array, is filled and returned. Antialiased
/// levels are within 2 of the kernel's, 99 in 100 of them the same; all else is the same to the bit.
///
/// Arrays must not be written meanwhile. ValueError or TypeError for what a transform or the arrays cannot be, TypeError for `out`.
#[pyfunction]
#[pyo3(signature = (images, transform, *, out = None, threads = None))]
pub(super) fn preprocess_images<'py>(
    py: Python<'py>,
    images: Images<'py>,
    transform: Wanted,
    out: Option<Bound<'py, PyAny>>,
    threads: Option<NonZeroUsize>,
) -> PyResult<Bound<'py, PyAny>> {
    let transform = transform.checked().map_err(PyValueError::new_err)?;
    let flat = |_| PyValueError::new_err("expected arrays in C order");
    let (pixels, offsets) =
        (images.pixels.as_slice().map_err(flat)?, images.offsets.as_slice().map_err(flat)?);
    let (sizes, rest) = images.sizes.as_slice().map_err(flat)?.as_chunks::<3>();
    let count = sizes.len();
    let planes = transform.source.planes();
    if !rest.is_empty() || images.sizes.as_array().shape() != [count, 3] || offsets.len() != count * planes {
        let note = format!(
            "expected sizes of [images, 3] and {planes} offsets an image, got {:?} and {}",
            images.sizes.as_array().shape(),
            offsets.len()
        );
        return Err(PyValueError::new_err(note));
    }
    let out = room(py, &transform, count, out)?;
    let bytes = out.call_method1("reshape", (-1,))?.call_method1("view", ("uint8",))?;
    let mut bytes = bytes.cast::<PyArray1<u8>>()?.try_readwrite()?;
    let into = bytes.as_slice_mut().map_err(flat)?;
    let threads = threads.or_else(|| std::thread::available_parallelism().ok()).unwrap_or(NonZeroUsize::MIN);
    let ragged = Ragged { pixels, offsets, sizes };
    py.detach(|| preprocess(ragged, &transform, threads, into)).map_err(PyRuntimeError::new_err)?;
    drop(bytes);
    Ok(out)
}

/// The tensor that JPEG and PNG files become, as [`preprocess_images`] makes it of their pixels, upright. The second value
/// has, for each file, what is wrong with it, or None; its part of the tensor is zero then.
///
/// ValueError for what a transform cannot be, or one of pixels that files do not have.
#[pyfunction]
#[pyo3(signature = (files, transform, *, threads = None))]
pub(super) fn preprocess_image_files<'py>(
    py: Python<'py>,
    files: &Bound<'py, PyAny>,
    transform: Wanted,
    threads: Option<NonZeroUsize>,
) -> PyResult<(Bound<'py, PyAny>, Vec<Option<String>>)> {
    let transform = transform.checked().map_err(PyValueError::new_err)?;
    check_files(&transform).map_err(PyValueError::new_err)?;
    let threads = threads.or_else(|| std::thread::available_parallelism().ok()).unwrap_or(NonZeroUsize::MIN);
    let fill = |files: &[&[u8]]| {
        let out = room(py, &transform, files.len(), None)?;
        let bytes = out.call_method1("reshape", (-1,))?.call_method1("view", ("uint8",))?;
        let mut bytes = bytes.cast::<PyArray1<u8>>()?.try_readwrite()?;
        let into = bytes.as_slice_mut()?;
        let faults = py.detach(|| preprocess_files(files, &transform, threads, into));
        drop(bytes);
        Ok((out, faults))
    };
    if let Ok(tensor) = files.cast::<BytesTensor>() {
        let files: Vec<&[u8]> = tensor.get().elements.iter().map(|element| &element[..]).collect();
        return fill(&files);
    }
    // Copied, because a buffer that Python owns may change while it is read; files are small.
    let copied = files.try_iter()?.map(|file| PyBuffer::<u8>::get(&file?)?.to_vec(py));
    let copied = copied.collect::<PyResult<Vec<_>>>()?;
    fill(&copied.iter().map(Vec::as_slice).collect::<Vec<_>>())
}

/// The array to fill: one that was given must be what would be made.
fn room<'py>(
    py: Python<'py>,
    transform: &Transform,
    count: usize,
    out: Option<Bound<'py, PyAny>>,
) -> PyResult<Bound<'py, PyAny>> {
    let numpy = py.import("numpy")?;
    let dtype = match transform.output {
        Output::Uint8 => numpy.getattr("uint8")?,
        Output::Float16 => numpy.getattr("float16")?,
        Output::Float32 => numpy.getattr("float32")?,
        Output::Bfloat16 => py.import("ml_dtypes")?.getattr("bfloat16")?,
    };
    let (height, width) = (transform.height, transform.width);
    let shape = match transform.layout {
        Layout::Planes => (count, transform.channels, usize::try_from(height)?, usize::try_from(width)?),
        Layout::Pixels => (count, usize::try_from(height)?, usize::try_from(width)?, transform.channels),
    };
    let Some(out) = out else { return numpy.call_method1("empty", (shape, dtype)) };
    let given = (out.getattr("shape")?, out.getattr("dtype")?);
    let flags = out.getattr("flags")?;
    let is_flat = flags.get_item("C_CONTIGUOUS")?.is_truthy()? && flags.get_item("WRITEABLE")?.is_truthy()?;
    if !given.0.eq(shape)? || !given.1.eq(&dtype)? || !is_flat {
        let note = format!(
            "out is {}{}: {} of shape {shape:?}, writeable and in C order, is needed",
            given.1, given.0, dtype
        );
        return Err(PyTypeError::new_err(note));
    }
    Ok(out)
}
