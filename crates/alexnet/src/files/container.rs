//! Safetensors files: named arrays and string metadata. They are parsed by the `safetensors` crate and written here, so that
//! the same content produces the same bytes (the crate writes metadata in random order).

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read, Write};
use std::path::Path;

use safetensors::tensor::{Metadata, SafeTensorError};
use safetensors::{Dtype, SafeTensors};
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

use super::atomic;
use crate::format::hex;
use crate::{Error, Result};

/// An array to be written.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Array<'a> {
    /// The name in the file.
    pub(crate) name: &'a str,
    /// The dimensions, slowest first.
    pub(crate) shape: &'a [usize],
    /// The values, row-major.
    pub(crate) values: Values<'a>,
}

/// The values of an array.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Values<'a> {
    /// 32-bit floats.
    F32(&'a [f32]),
    /// Signed 64-bit integers.
    I64(&'a [i64]),
    /// Unsigned 64-bit integers.
    U64(&'a [u64]),
    /// Bytes.
    U8(&'a [u8]),
    /// Signed bytes.
    I8(&'a [i8]),
    /// Bytes in consecutive chunks.
    Chunks(&'a [Vec<u8>]),
}

impl Values<'_> {
    fn bytes(self) -> usize {
        match self {
            Self::F32(values) => size_of_val(values),
            Self::I64(values) => size_of_val(values),
            Self::U64(values) => size_of_val(values),
            Self::U8(values) => values.len(),
            Self::I8(values) => values.len(),
            Self::Chunks(chunks) => chunks.iter().map(Vec::len).sum(),
        }
    }

    fn dtype(self) -> Dtype {
        match self {
            Self::F32(_) => Dtype::F32,
            Self::I64(_) => Dtype::I64,
            Self::U64(_) => Dtype::U64,
            Self::U8(_) | Self::Chunks(_) => Dtype::U8,
            Self::I8(_) => Dtype::I8,
        }
    }

    fn write(self, out: &mut dyn Write) -> io::Result<()> {
        match self {
            Self::U8(values) => out.write_all(values),
            Self::Chunks(chunks) => chunks.iter().try_for_each(|chunk| out.write_all(chunk)),
            Self::I8(values) => write_numbers(values, |value| value.to_le_bytes(), out),
            Self::F32(values) => write_numbers(values, |value| value.to_le_bytes(), out),
            Self::I64(values) => write_numbers(values, |value| value.to_le_bytes(), out),
            Self::U64(values) => write_numbers(values, |value| value.to_le_bytes(), out),
        }
    }
}

fn write_numbers<T: Copy, const N: usize>(
    values: &[T],
    bytes: impl Fn(T) -> [u8; N] + Copy,
    out: &mut dyn Write,
) -> io::Result<()> {
    let mut buffer = [[0; N]; 4096];
    values.chunks(buffer.len()).try_for_each(|chunk| {
        buffer.iter_mut().zip(chunk).for_each(|(slot, &value)| *slot = bytes(value));
        out.write_all(buffer[..chunk.len()].as_flattened())
    })
}

/// Writes arrays and metadata to `path` atomically. Arrays with the largest elements come first, so that all are aligned.
///
/// # Errors
/// Returns an error if the file cannot be written. An existing file is then unchanged.
pub(crate) fn write(path: &Path, metadata: &BTreeMap<&str, String>, arrays: &[Array<'_>]) -> Result<()> {
    let mut arrays = arrays.to_vec();
    arrays.sort_by_key(|array| Reverse(array.values.dtype().bitsize()));
    let header = header(metadata, &arrays);
    atomic::replace(path, |out| {
        out.write_all(&(header.len() as u64).to_le_bytes())?;
        out.write_all(&header)?;
        arrays.iter().try_for_each(|array| array.values.write(out))
    })
}

/// The name of the last array of a sealed file: the SHA-256 of all bytes before it.
pub(crate) const SEAL: &str = "sha256";

/// Writes a file as [`write()`] does, with a final array that contains the digest of the file. Returns the digest in
/// hexadecimal.
///
/// # Errors
/// See [`write()`].
pub(crate) fn write_sealed(
    path: &Path,
    metadata: &BTreeMap<&str, String>,
    arrays: &[Array<'_>],
) -> Result<String> {
    let mut arrays = arrays.to_vec();
    arrays.push(Array { name: SEAL, shape: &[32], values: Values::U8(&[0; 32]) });
    arrays.sort_by_key(|array| Reverse(array.values.dtype().bitsize()));
    let header = header(metadata, &arrays);
    let mut written = String::new();
    atomic::replace(path, |out| {
        let mut sealed = Digesting { out, digest: Sha256::new() };
        sealed.write_all(&(header.len() as u64).to_le_bytes())?;
        sealed.write_all(&header)?;
        arrays[..arrays.len() - 1].iter().try_for_each(|array| array.values.write(&mut sealed))?;
        let Digesting { out, digest } = sealed;
        let digest = digest.finalize();
        written = hex(&digest);
        out.write_all(&digest)
    })?;
    Ok(written)
}

/// Computes the digest of the bytes written.
struct Digesting<'a> {
    out: &'a mut dyn Write,
    digest: Sha256,
}

impl Write for Digesting<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.out.write(bytes)?;
        self.digest.update(&bytes[..written]);
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

/// Verifies the digest of a sealed file, and returns it in hexadecimal.
///
/// # Errors
/// Returns an error if the file has no digest, or if it does not match.
pub(crate) fn check_seal(bytes: &[u8]) -> Result<String> {
    let (body, seal) = bytes.split_at(bytes.len().saturating_sub(32));
    // A fuzzer cannot guess digests.
    if cfg!(fuzzing) || Sha256::digest(body).as_slice() == seal {
        return Ok(hex(seal));
    }
    Err(Error::model("checksum mismatch: the file has changed since it was written"))
}

/// Formats the header: JSON, padded with spaces to a multiple of 8 bytes.
fn header(metadata: &BTreeMap<&str, String>, arrays: &[Array<'_>]) -> Vec<u8> {
    let mut entries = Map::new();
    entries.insert("__metadata__".into(), json!(metadata));
    let mut start = 0;
    for array in arrays {
        let end = start + array.values.bytes();
        let dtype = array.values.dtype();
        let entry = json!({ "dtype": dtype, "shape": array.shape, "data_offsets": [start, end] });
        entries.insert(array.name.into(), entry);
        start = end;
    }
    let mut header = Value::Object(entries).to_string().into_bytes();
    header.resize(header.len().next_multiple_of(8), b' ');
    header
}

/// Reads the whole file at `path`.
///
/// # Errors
/// Returns an error if it does not exist, is not a regular file, or cannot be read.
pub(crate) fn bytes(path: &Path) -> Result<Vec<u8>> {
    let read = || {
        // A device or a pipe may be endless.
        if !std::fs::metadata(path)?.is_file() {
            return Err(io::Error::other("not a regular file"));
        }
        std::fs::read(path)
    };
    read().map_err(|error| {
        Error::model(format!("{}: cannot read the model: {error}", path.display()))
            .help("specify a model file or a run folder, such as runs/NAME")
    })
}

/// Parses the bytes of a file.
///
/// # Errors
/// Returns an error if they are not a complete safetensors file.
pub(crate) fn parse(bytes: &[u8]) -> Result<(SafeTensors<'_>, Metadata)> {
    let header =
        SafeTensors::read_metadata(bytes).and_then(|(_, m)| Ok((SafeTensors::deserialize(bytes)?, m)));
    header.map_err(|error| {
        let help = match is_text(bytes) {
            true => "specify a model file or a run folder, such as runs/NAME",
            false => "copy the file again, or train a model: `alexnet train SRC --recipe small`",
        };
        Error::model(explain(bytes, &error)).help(help)
    })
}

/// Whether a file starts as texts do. A safetensors file starts with the length of its header, whose last bytes are zeros.
fn is_text(bytes: &[u8]) -> bool {
    bytes.len() >= 8 && bytes[..8].iter().all(|byte| byte.is_ascii_graphic() || byte.is_ascii_whitespace())
}

/// Explains what is wrong with a file, with the expected and actual sizes.
fn explain(bytes: &[u8], error: &SafeTensorError) -> String {
    if is_text(bytes) {
        return "a text file, expected a model file (safetensors)".to_owned();
    }
    let Some((length, rest)) = bytes.split_first_chunk::<8>() else {
        return format!(
            "the file has {} bytes, expected a safetensors file of at least 8 bytes",
            bytes.len()
        );
    };
    let expected = u64::from_le_bytes(*length);
    match error {
        SafeTensorError::HeaderTooLarge | SafeTensorError::InvalidHeaderLength => format!(
            "not a safetensors file, or truncated: the first 8 bytes specify a header of {expected} bytes, but {} bytes follow",
            rest.len()
        ),
        SafeTensorError::MetadataIncompleteBuffer => {
            let header = usize::try_from(expected).ok().and_then(|n| rest.split_at_checked(n));
            let (expected, found) = header.map_or((0, rest.len()), |(header, data)| {
                (serde_json::from_slice::<Metadata>(header).map_or(0, |m| m.data_len()), data.len())
            });
            let problem =
                if found < expected { "the file is truncated" } else { "extra bytes after the end" };
            format!("{problem}: the header specifies {expected} bytes of tensors, the file has {found}")
        }
        other => format!("not a safetensors file: {other}"),
    }
}

/// Returns the shape and values of an array of 32-bit floats.
///
/// # Errors
/// Returns an error if it is missing, has another type, or contains non-finite values.
pub(crate) fn floats(file: &SafeTensors<'_>, name: &str) -> Result<(Vec<usize>, Vec<f32>)> {
    let (shape, bytes) = array(file, name, Dtype::F32)?;
    let (values, _) = bytes.as_chunks::<4>();
    let values: Vec<f32> = values.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect();
    check_finite(name, &values)?;
    Ok((shape, values))
}

/// Returns an error if a value of the tensor `name` is not finite.
pub(crate) fn check_finite(name: &str, values: &[f32]) -> Result<()> {
    match values.iter().position(|value| !value.is_finite()) {
        None => Ok(()),
        Some(index) => Err(Error::model(format!(
            "tensor `{name}` contains {} at index {index} of {}, expected finite values",
            values[index],
            values.len()
        ))
        .help("training diverged, or the file is damaged: use an earlier model of the run")),
    }
}

/// Returns the shape and bytes of an array of the given type.
///
/// # Errors
/// Returns an error if it is missing or has another type.
pub(crate) fn array<'a>(file: &SafeTensors<'a>, name: &str, dtype: Dtype) -> Result<(Vec<usize>, &'a [u8])> {
    let view = file.tensor(name).map_err(|_| Error::model(format!("tensor `{name}` is missing")))?;
    if view.dtype() != dtype {
        return Err(Error::model(format!("tensor `{name}` has type {}, expected {dtype}", view.dtype())));
    }
    Ok((view.shape().to_vec(), view.data()))
}

/// The largest header that [`Header::read`] reads, in bytes.
const MAX_HEADER: u64 = 100 << 20;

/// The header of a file, for reading its arrays one at a time.
#[derive(Debug)]
pub(crate) struct Header {
    metadata: Metadata,
    /// The offset of the arrays in the file.
    start: u64,
    /// The size of all arrays, in bytes.
    len: u64,
}

impl Header {
    /// Reads the header of a file of `size` bytes.
    ///
    /// # Errors
    /// Returns an error if the file is not a complete safetensors file.
    pub(crate) fn read(mut file: &File, size: u64) -> Result<Self> {
        let invalid = |what: &str| Error::data(format!("not a safetensors file, or truncated: {what}"));
        let mut length = [0; 8];
        file.read_exact(&mut length).map_err(|_| invalid(&format!("the file has {size} bytes")))?;
        let length = u64::from_le_bytes(length);
        let start = length.checked_add(8).filter(|&start| start <= size && length <= MAX_HEADER);
        let start = start.ok_or_else(|| {
            invalid(&format!(
                "the first 8 bytes specify a header of {length} bytes, the file has {size} bytes"
            ))
        })?;
        let mut header = Vec::new();
        file.take(length).read_to_end(&mut header).map_err(|error| invalid(&error.to_string()))?;
        let metadata: Metadata =
            serde_json::from_slice(&header).map_err(|error| invalid(&error.to_string()))?;
        let (len, expected) = (size - start, metadata.data_len() as u64);
        if expected != len {
            return Err(Error::data(format!(
                "the file is truncated or damaged: the header specifies {expected} bytes of tensors, the file has {len}"
            )));
        }
        Ok(Self { metadata, start, len })
    }

    /// Returns a string of the metadata.
    ///
    /// # Errors
    /// Returns an error if it is missing.
    pub(crate) fn text(&self, name: &str) -> Result<&str> {
        let all = self.metadata.metadata().as_ref();
        let text = all.and_then(|all| all.get(name)).map(String::as_str);
        text.ok_or_else(|| Error::data(format!("`{name}` is missing from the metadata")))
    }

    /// Returns the shape of the array `name`, and the offset and size of its bytes in the file.
    ///
    /// # Errors
    /// Returns an error if it is missing, has another type, or has invalid offsets.
    pub(crate) fn place(&self, name: &str, dtype: Dtype) -> Result<(Vec<usize>, u64, usize)> {
        let info = self.metadata.info(name);
        let info = info.ok_or_else(|| Error::data(format!("tensor `{name}` is missing")))?;
        let (begin, end) = info.data_offsets;
        let values = info.shape.iter().try_fold(dtype.bitsize() / 8, |all, &n| all.checked_mul(n));
        let fits = end as u64 <= self.len && end.checked_sub(begin) == values;
        if info.dtype != dtype || !fits {
            return Err(Error::data(format!(
                "tensor `{name}` of type {} and shape {:?} does not fit its bytes {begin} to {end}",
                info.dtype, info.shape
            )));
        }
        Ok((info.shape.clone(), self.start + begin as u64, end - begin))
    }

    /// Reads the shape and values of an array of 64-bit integers.
    ///
    /// # Errors
    /// See [`Header::place`]; also returns an error if the file cannot be read.
    pub(crate) fn integers(&self, file: &File, name: &str, dtype: Dtype) -> Result<(Vec<usize>, Vec<u64>)> {
        let (shape, offset, len) = self.place(name, dtype)?;
        let mut bytes = vec![0; len];
        super::read_at(file, offset, &mut bytes)
            .map_err(|error| Error::data(format!("cannot read tensor `{name}`: {error}")))?;
        let values = bytes.as_chunks::<8>().0.iter().map(|&bytes| u64::from_le_bytes(bytes));
        Ok((shape, values.collect()))
    }
}
