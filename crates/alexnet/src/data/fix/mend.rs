//! Repairs one image.

use crate::data::Image;
use crate::data::decode::{self, Format};
use crate::data::encode;
use crate::data::source::{Split, Stored};
use crate::{Error, Result};

/// Returns the bytes of a repaired image and its extension.
pub(super) fn mend(split: &Split, index: usize) -> Result<(Vec<u8>, &'static str)> {
    let file = split.file(index);
    let Stored::File(bytes) = split.stored(index)? else {
        return Err(Error::data(format!(
            "{file}: cannot repair raw pixels or a file that is too large to read"
        )));
    };
    mend_bytes(bytes)
        .map_err(|error| error.context(file).help("`leave-out` instead of `mend` for it in the plan"))
}

fn mend_bytes(bytes: Vec<u8>) -> Result<(Vec<u8>, &'static str)> {
    let bytes = decode::uncompressed(bytes)?;
    let traits = decode::inspect(&bytes)?;
    // Where only the name is wrong, the bytes are right.
    let plain = traits.print.is_none() && !traits.sixteen_bit && !traits.animated && traits.orientation == 1;
    if plain {
        return Ok((bytes, traits.format.extension()));
    }
    let image = || Ok(decode::apply_orientation(decode::decode(&bytes)?, traits.orientation));
    let is_jpeg = traits.format == Format::Jpeg;
    let upright = match traits.print {
        None if is_jpeg => decode::jpeg::upright(&bytes)?,
        None | Some(_) => None,
    };
    Ok(match upright {
        Some(upright) => (upright, "jpg"),
        None if is_jpeg => (recoded(&bytes, image)?, "jpg"),
        None => (encode::png(&image()?)?, "png"),
    })
}

/// Encodes the image as a JPEG with the quantization tables and chroma subsampling of the original.
fn recoded(bytes: &[u8], image: impl FnOnce() -> Result<Image>) -> Result<Vec<u8>> {
    Ok(encode::jpeg_as(&image()?, &decode::jpeg::coding(bytes)?)?)
}

/// Returns the name if its extension is equivalent to `ending`.
pub(super) fn ending_kept(name: &str, ending: &str) -> Option<String> {
    let old = name.rsplit_once('.').map(|(_, end)| end.to_lowercase())?;
    let same = |format: Format| format.is_supported() && format.extension() == ending;
    (old == ending || Format::of_extension(&old).is_some_and(same)).then(|| name.to_owned())
}
