//! Images to a model's input, without the interpreter.

use super::threads;
use crate::image::ragged::{Colours, Fit, Layout, Output, Ragged, Resize, Source, Transform, preprocess};
use numpy::ndarray::Dimension;
use numpy::{
    Element, PyArray1, PyArrayMethods, PyReadonlyArray, PyReadonlyArray1, PyReadonlyArray2,
    PyReadonlyArrayDyn, PyUntypedArrayMethods,
};
use pyo3::conversion::FromPyObjectOwned;
use pyo3::exceptions::{PyRuntimeError, PyTypeError, PyValueError};
use pyo3::prelude::*;
use std::ops::Range;

/// `headrace_kernels.images.ragged.RaggedImages`, or what has its attributes.
pub(super) struct Images<'py> {
    pixels: PyReadonlyArray1<'py, u8>,
    offsets: PyReadonlyArrayDyn<'py, i64>,
    sizes: PyReadonlyArray2<'py, i32>,
}

impl<'py> FromPyObject<'_, 'py> for Images<'py> {
    type Error = PyErr;

    fn extract(images: Borrowed<'_, 'py, PyAny>) -> PyResult<Images<'py>> {
        Ok(Images {
            pixels: field(images, "pixels", "a NumPy array of uint8, of one axis")?,
            offsets: field(images, "offsets", "a NumPy array of int64")?,
            sizes: field(images, "sizes", "a NumPy array of int32, of two axes")?,
        })
    }
}

/// `headrace_kernels.images.transform.ImageTransform`, or what has its attributes.
pub(super) struct Wanted(pub(super) Transform);

impl<'py> FromPyObject<'_, 'py> for Wanted {
    type Error = PyErr;

    fn extract(of: Borrowed<'_, 'py, PyAny>) -> PyResult<Wanted> {
        let truth = |name| field(of, name, "True or False");
        let numbers = |name| -> PyResult<Vec<f32>> {
            let expected = "a number for each channel";
            let each = of
                .getattr(name)?
                .try_iter()
                .and_then(|values| values.map(|value| value?.extract::<f32>()).collect::<PyResult<_>>());
            each.or_else(|_| Err(other(of, name, expected)?))
        };
        let transform = Transform {
            height: field(of, "height", WHOLE)?,
            width: field(of, "width", WHOLE)?,
            fit: word(of, "fit", Fit::named)?,
            resize_to: field(of, "resize_to", "a whole number from 0 on, or None")?,
            resize: word(of, "filter", Resize::named)?,
            antialias: truth("antialias")?,
            source: word(of, "source", Source::named)?,
            colours: word(of, "colours", Colours::named)?,
            full_range: truth("full_range")?,
            channels: field(of, "channels", WHOLE)?,
            reverse_channels: truth("reverse_channels")?,
            mean: numbers("mean")?,
            scale: numbers("scale")?,
            layout: word(of, "layout", Layout::named)?,
            output: word(of, "dtype", Output::named)?,
            fill: field(of, "fill", "a whole number from 0 to 255")?,
        };
        transform.check().map_err(PyValueError::new_err)?;
        Ok(Wanted(transform))
    }
}

const WHOLE: &str = "a whole number from 0 on";

fn field<'py, T: FromPyObjectOwned<'py>>(
    of: Borrowed<'_, 'py, PyAny>,
    name: &str,
    expected: &str,
) -> PyResult<T> {
    of.getattr(name)?.extract().or_else(|_: T::Error| Err(other(of, name, expected)?))
}

fn word<T>(
    of: Borrowed<'_, '_, PyAny>,
    name: &str,
    named: impl Fn(&str) -> Result<T, String>,
) -> PyResult<T> {
    let told: String = field(of, name, "a word")?;
    named(&told).map_err(|why| PyValueError::new_err(format!("{name}: {why}")))
}

/// The error of an attribute that is something else than was expected.
fn other(of: Borrowed<'_, '_, PyAny>, name: &str, expected: &str) -> PyResult<PyErr> {
    let found = kind(&of.getattr(name)?)?;
    Ok(PyTypeError::new_err(format!("{name} is {found}; expected {expected}")))
}

/// An array by its type and shape, all else as Python writes it.
fn kind(value: &Bound<'_, PyAny>) -> PyResult<String> {
    match (value.getattr("dtype"), value.getattr("shape")) {
        (Ok(dtype), Ok(shape)) => Ok(format!("{dtype} of shape {shape}")),
        _ => Ok(value.repr()?.to_string()),
    }
}

/// The elements of an array, one after the other.
fn flat<'a, T: Element, D: Dimension>(array: &'a PyReadonlyArray<'_, T, D>, name: &str) -> PyResult<&'a [T]> {
    if !array.is_c_contiguous() {
        return Err(PyValueError::new_err(format!("{name} must be contiguous, in C order")));
    }
    array.as_slice().map_err(|_| {
        let (at, size) = (array.data(), size_of::<T>());
        PyValueError::new_err(format!("{name} begins at address {at:?}, not at a multiple of {size}"))
    })
}

/// The tensor that images become, on the CPU and without the interpreter: what the kernel of this name does on a GPU,
/// with its arguments, on as many threads as a batch may have in its lane. `out`, or a new array, is filled and returned.
/// Antialiased levels are within 2 of the kernel's, 99 in 100 of them the same; all else is the same to the bit.
///
/// Arrays must not be written meanwhile. ValueError or TypeError for what a transform or the arrays cannot be, TypeError for `out`.
#[pyfunction]
#[pyo3(signature = (images, transform, *, out = None, threads = None))]
pub(super) fn preprocess_images<'py>(
    py: Python<'py>,
    images: Images<'py>,
    transform: Wanted,
    out: Option<Bound<'py, PyAny>>,
    threads: Option<i64>,
) -> PyResult<Bound<'py, PyAny>> {
    let Wanted(transform) = transform;
    let threads = threads::count(threads)?;
    let (pixels, offsets) = (flat(&images.pixels, "pixels")?, flat(&images.offsets, "offsets")?);
    let numbers = flat(&images.sizes, "sizes")?;
    let (sizes, rest) = numbers.as_chunks::<3>();
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
    let bytes = bytes.cast::<PyArray1<u8>>()?;
    let (begin, len) = (bytes.data().addr(), bytes.len());
    let inputs = [span("pixels", pixels), span("offsets", offsets), span("sizes", numbers)];
    if let Some((name, _)) = inputs.iter().find(|(_, at)| at.start < begin + len && begin < at.end) {
        return Err(PyValueError::new_err(format!(
            "out lies in the memory of {name}, which is read while out is written"
        )));
    }
    let mut bytes = bytes.try_readwrite()?;
    let into = bytes.as_slice_mut()?;
    let ragged = Ragged { pixels, offsets, sizes };
    py.detach(|| preprocess(ragged, &transform, threads, into)).map_err(PyRuntimeError::new_err)?;
    drop(bytes);
    Ok(out)
}

/// The addresses of an input; of none there are none.
fn span<T>(name: &'static str, input: &[T]) -> (&'static str, Range<usize>) {
    let all = input.as_ptr_range();
    (name, all.start.addr()..all.end.addr())
}

/// The array to fill: one that was given must be what would be made.
pub(super) fn room<'py>(
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
    let dtype = numpy.getattr("dtype")?.call1((dtype,))?;
    let (height, width) = (transform.height, transform.width);
    let shape = match transform.layout {
        Layout::Planes => (count, transform.channels, usize::try_from(height)?, usize::try_from(width)?),
        Layout::Pixels => (count, usize::try_from(height)?, usize::try_from(width)?, transform.channels),
    };
    let Some(out) = out else { return numpy.call_method1("empty", (shape, dtype)) };
    if !out.is_instance(&numpy.getattr("ndarray")?)? {
        let note = format!("out is {}; expected a NumPy array", kind(&out)?);
        return Err(PyTypeError::new_err(note));
    }
    let given = (out.getattr("shape")?, out.getattr("dtype")?);
    let flags = out.getattr("flags")?;
    let is_flat = flags.get_item("C_CONTIGUOUS")?.is_truthy()? && flags.get_item("WRITEABLE")?.is_truthy()?;
    if !given.0.eq(shape)? || !given.1.eq(&dtype)? || !is_flat {
        let note = format!(
            "out is {} of shape {}; expected {} of shape {shape:?}, writeable and in C order",
            given.1, given.0, dtype
        );
        return Err(PyTypeError::new_err(note));
    }
    Ok(out)
}
