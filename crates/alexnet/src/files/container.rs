//! Safetensors files: named arrays and string metadata. Written here, so that the same content gives the same
//! bytes (the crate's writer orders metadata by chance) and is flushed to the disk; read through the crate.

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
use crate::{Error, Result};

/// One array to be written.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Array<'a> {
    /// Its name in the file.
    pub(crate) name: &'a str,
    /// Extents, slowest first.
    pub(crate) shape: &'a [usize],
    /// The values, row-major.
    pub(crate) values: Values<'a>,
}

/// The values of an array.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Values<'a> {
    /// 32-bit numbers.
    F32(&'a [f32]),
    /// Whole numbers.
    I64(&'a [i64]),
    /// Whole numbers that are never negative.
    U64(&'a [u64]),
    /// Bytes.
    U8(&'a [u8]),
    /// Bytes in pieces that follow each other.
    Pieces(&'a [Vec<u8>]),
}

impl Values<'_> {
    fn bytes(self) -> usize {
        match self {
            Self::F32(values) => size_of_val(values),
            Self::I64(values) => size_of_val(values),
            Self::U64(values) => size_of_val(values),
            Self::U8(values) => values.len(),
            Self::Pieces(pieces) => pieces.iter().map(Vec::len).sum(),
        }
    }

    fn dtype(self) -> Dtype {
        match self {
            Self::F32(_) => Dtype::F32,
            Self::I64(_) => Dtype::I64,
            Self::U64(_) => Dtype::U64,
            Self::U8(_) | Self::Pieces(_) => Dtype::U8,
        }
    }

    fn write(self, out: &mut dyn Write) -> io::Result<()> {
        match self {
            Self::U8(values) => out.write_all(values),
            Self::Pieces(pieces) => pieces.iter().try_for_each(|piece| out.write_all(piece)),
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

/// Writes arrays and metadata to `path`, whole or not at all. The largest numbers come first and bytes last, so that all
/// are aligned.
///
/// # Errors
/// When the file cannot be written; what was there before is then unchanged.
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

/// The last array of a sealed file: the SHA-256 of all bytes before it.
pub(crate) const SEAL: &str = "sha256";

/// [`write()`], with an array behind all others that shows whether a bit of the file has changed since. Returns the
/// digest in that array, in hexadecimal: it names the content of the file.
///
/// # Errors
/// As [`write()`].
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
        let mut sealed = Sealed { out, digest: Sha256::new() };
        sealed.write_all(&(header.len() as u64).to_le_bytes())?;
        sealed.write_all(&header)?;
        arrays[..arrays.len() - 1].iter().try_for_each(|array| array.values.write(&mut sealed))?;
        let Sealed { out, digest } = sealed;
        let digest = digest.finalize();
        written = hex(&digest);
        out.write_all(&digest)
    })?;
    Ok(written)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Takes the digest of what is written.
struct Sealed<'a> {
    out: &'a mut dyn Write,
    digest: Sha256,
}

impl Write for Sealed<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.out.write(bytes)?;
        self.digest.update(&bytes[..written]);
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

/// The digest of a sealed file, in hexadecimal, when its bytes are still those that were written.
///
/// # Errors
/// When the file has no seal, or its bytes have changed.
pub(crate) fn check_seal(bytes: &[u8]) -> Result<String> {
    let (body, seal) = bytes.split_at(bytes.len().saturating_sub(32));
    if Sha256::digest(body).as_slice() == seal {
        return Ok(hex(seal));
    }
    Err(Error::model("its checksum is not that of its bytes: they have changed since they were written"))
}

/// JSON, padded with spaces to a multiple of 8 bytes.
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

/// The whole file at `path`.
///
/// # Errors
/// When there is none, it is not a plain file, or it cannot be read.
pub(crate) fn bytes(path: &Path) -> Result<Vec<u8>> {
    let read = || {
        // A device or a pipe may never end.
        if !std::fs::metadata(path)?.is_file() {
            return Err(io::Error::other("it is not a plain file"));
        }
        std::fs::read(path)
    };
    read().map_err(|error| {
        Error::model(format!("{}: cannot read the model: {error}", path.display()))
            .help("name a model file or a run folder: `alexnet eval runs/NAME/best.safetensors --data SRC`")
    })
}

/// Arrays and metadata of a whole file.
///
/// # Errors
/// When the bytes are not a safetensors file, or not a whole one.
pub(crate) fn parse(bytes: &[u8]) -> Result<(SafeTensors<'_>, Metadata)> {
    let header =
        SafeTensors::read_metadata(bytes).and_then(|(_, m)| Ok((SafeTensors::deserialize(bytes)?, m)));
    header.map_err(|error| {
        Error::model(explain(bytes, &error))
            .help("copy the file again, or train a model: `alexnet train SRC --recipe small`")
    })
}

/// What is wrong with the file, with the sizes it announces and those it has.
fn explain(bytes: &[u8], error: &SafeTensorError) -> String {
    let Some((length, rest)) = bytes.split_first_chunk::<8>() else {
        return format!("{} bytes, expected a safetensors file, which has at least 8", bytes.len());
    };
    let announced = u64::from_le_bytes(*length);
    match error {
        SafeTensorError::HeaderTooLarge | SafeTensorError::InvalidHeaderLength => format!(
            "the first 8 bytes announce a header of {announced} bytes, {} follow: not a safetensors file, or cut short",
            rest.len()
        ),
        SafeTensorError::MetadataIncompleteBuffer => {
            let header = usize::try_from(announced).ok().and_then(|n| rest.split_at_checked(n));
            let (expected, found) = header.map_or((0, rest.len()), |(header, data)| {
                (serde_json::from_slice::<Metadata>(header).map_or(0, |m| m.data_len()), data.len())
            });
            let problem = if found < expected { "cut short" } else { "something stands behind its end" };
            format!("the header announces {expected} bytes of tensors, the file holds {found}: {problem}")
        }
        other => format!("not a safetensors file: {other}"),
    }
}

/// The array `name` as numbers, shape and values.
///
/// # Errors
/// When it is missing, of another type, or holds a value that is not finite.
pub(crate) fn numbers(file: &SafeTensors<'_>, name: &str) -> Result<(Vec<usize>, Vec<f32>)> {
    let (shape, bytes) = array(file, name, Dtype::F32)?;
    let (values, _) = bytes.as_chunks::<4>();
    let values: Vec<f32> = values.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect();
    check_finite(name, &values)?;
    Ok((shape, values))
}

/// No value of the tensor `name` is infinite or not a number.
pub(crate) fn check_finite(name: &str, values: &[f32]) -> Result<()> {
    match values.iter().position(|value| !value.is_finite()) {
        None => Ok(()),
        Some(index) => Err(Error::model(format!(
            "tensor `{name}` holds {} at index {index} of {}, expected finite numbers",
            values[index],
            values.len()
        ))
        .help("the training diverged or the file is damaged: use an earlier model of the run")),
    }
}

/// The array `name` of the given type, as bytes.
///
/// # Errors
/// When it is missing or of another type.
pub(crate) fn array<'a>(file: &SafeTensors<'a>, name: &str, dtype: Dtype) -> Result<(Vec<usize>, &'a [u8])> {
    let view = file.tensor(name).map_err(|_| Error::model(format!("tensor `{name}` is missing")))?;
    if view.dtype() != dtype {
        return Err(Error::model(format!("tensor `{name}` is of type {}, expected {dtype}", view.dtype())));
    }
    Ok((view.shape().to_vec(), view.data()))
}

/// Most bytes of a header that is read by itself.
const MOST_HEADER: u64 = 100 << 20;

/// What a file holds and where, without what it holds: for files whose arrays are read piece by piece.
#[derive(Debug)]
pub(crate) struct Header {
    metadata: Metadata,
    /// Where the arrays begin in the file, and their bytes.
    start: u64,
    len: u64,
}

impl Header {
    /// Reads the header of the file, which has `size` bytes.
    ///
    /// # Errors
    /// When it is not a safetensors file, or what it announces is not there.
    pub(crate) fn read(mut file: &File, size: u64) -> Result<Self> {
        let cut = |what: &str| Error::data(format!("not a safetensors file, or cut short: {what}"));
        let mut length = [0; 8];
        file.read_exact(&mut length).map_err(|_| cut(&format!("it has {size} bytes")))?;
        let length = u64::from_le_bytes(length);
        let start = length.checked_add(8).filter(|&start| start <= size && length <= MOST_HEADER);
        let start = start.ok_or_else(|| {
            cut(&format!("the first 8 bytes announce a header of {length} bytes, the file has {size}"))
        })?;
        let mut header = Vec::new();
        file.take(length).read_to_end(&mut header).map_err(|error| cut(&error.to_string()))?;
        let metadata: Metadata = serde_json::from_slice(&header).map_err(|error| cut(&error.to_string()))?;
        let (len, announced) = (size - start, metadata.data_len() as u64);
        if announced != len {
            return Err(Error::data(format!(
                "the header announces {announced} bytes of tensors, the file holds {len}: it is cut short, or not this file's header"
            )));
        }
        Ok(Self { metadata, start, len })
    }

    /// A string of the metadata.
    ///
    /// # Errors
    /// When there is none of that name.
    pub(crate) fn text(&self, name: &str) -> Result<&str> {
        let all = self.metadata.metadata().as_ref();
        let text = all.and_then(|all| all.get(name)).map(String::as_str);
        text.ok_or_else(|| Error::data(format!("the metadata has no `{name}`")))
    }

    /// Shape of the array `name`, and where its values are in the file: offset and bytes.
    ///
    /// # Errors
    /// When it is missing, of another type, or not where it could be.
    pub(crate) fn place(&self, name: &str, dtype: Dtype) -> Result<(Vec<usize>, u64, usize)> {
        let info = self.metadata.info(name);
        let info = info.ok_or_else(|| Error::data(format!("tensor `{name}` is missing")))?;
        let (begin, end) = info.data_offsets;
        let values = info.shape.iter().try_fold(dtype.bitsize() / 8, |all, &n| all.checked_mul(n));
        let fits = end as u64 <= self.len && end.checked_sub(begin) == values;
        if info.dtype != dtype || !fits {
            return Err(Error::data(format!(
                "tensor `{name}` is of type {} and shape {:?} at bytes {begin} to {end}, which does not fit",
                info.dtype, info.shape
            )));
        }
        Ok((info.shape.clone(), self.start + begin as u64, end - begin))
    }

    /// The values of the array `name` of 64-bit numbers, with its shape.
    ///
    /// # Errors
    /// As [`Header::place`], and when the file cannot be read.
    pub(crate) fn words(&self, file: &File, name: &str, dtype: Dtype) -> Result<(Vec<usize>, Vec<u64>)> {
        let (shape, offset, len) = self.place(name, dtype)?;
        let mut bytes = vec![0; len];
        super::read_at(file, offset, &mut bytes)
            .map_err(|error| Error::data(format!("tensor `{name}` cannot be read: {error}")))?;
        let words = bytes.as_chunks::<8>().0.iter().map(|&word| u64::from_le_bytes(word));
        Ok((shape, words.collect()))
    }
}
