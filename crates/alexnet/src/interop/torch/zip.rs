//! The zip archives that `torch.save` writes: `NAME/data.pkl`, a pickle, and `NAME/data/KEY`, the bytes of each storage. All
//! are stored uncompressed, so that they are read where they are.

use std::collections::HashMap;

use rawzip::{CompressionMethod, ZipArchive};

use crate::{Error, Result};

/// The entries of a zip archive in memory.
#[derive(Debug)]
pub(super) struct Zip<'a> {
    entries: HashMap<String, ZipEntry<'a>>,
    /// The folder of all entries, with a slash behind it.
    folder: String,
}

#[derive(Clone, Copy, Debug)]
struct ZipEntry<'a> {
    data: &'a [u8],
    method: CompressionMethod,
    /// The size after decompression, as the directory says.
    size: u64,
    crc: u32,
}

/// The most entries: state dicts have one for each tensor, and a few more.
const MAX_ENTRIES: usize = 1 << 20;

impl<'a> Zip<'a> {
    /// Reads the directory of an archive of `torch.save`.
    ///
    /// # Errors
    /// Returns an error if it is not a complete zip archive, or was made by something else.
    pub(super) fn open(bytes: &'a [u8]) -> Result<Self> {
        let damaged = |error: rawzip::Error| {
            Error::model(format!("the zip archive is truncated or damaged: {error}"))
                .help("copy or download the file again")
        };
        let archive = ZipArchive::from_slice(bytes).map_err(damaged)?;
        let mut entries = HashMap::new();
        for entry in archive.entries() {
            let entry = entry.map_err(damaged)?;
            let name = String::from_utf8_lossy(entry.file_path().as_ref()).into_owned();
            let (start, end) = archive.get_entry(entry.wayfinder()).map_err(damaged)?.compressed_data_range();
            let data = usize::try_from(start).ok().zip(usize::try_from(end).ok());
            let data = data.and_then(|(start, end)| bytes.get(start..end));
            let data = data.ok_or_else(|| Error::model(format!("the zip entry `{name}` is truncated")))?;
            let (method, size) = (entry.compression_method(), entry.uncompressed_size_hint());
            let found = ZipEntry { data, method, size, crc: entry.crc32() };
            if entries.insert(name.clone(), found).is_some() || entries.len() > MAX_ENTRIES {
                return Err(Error::model(format!(
                    "the zip archive has the entry `{name}` twice, or more than {MAX_ENTRIES} entries"
                )));
            }
        }
        let folder = folder(&entries)?;
        let zip = Self { entries, folder };
        zip.check_byte_order()?;
        Ok(zip)
    }

    /// The bytes of the entry `name` in the folder.
    ///
    /// # Errors
    /// Returns an error if it is missing, compressed or damaged.
    pub(super) fn entry(&self, name: &str) -> Result<&'a [u8]> {
        let name = format!("{}{name}", self.folder);
        let entry = self.entries.get(&name).copied();
        let ZipEntry { data, method, size, crc } =
            entry.ok_or_else(|| Error::model(format!("the zip archive has no entry `{name}`")))?;
        if method != CompressionMethod::STORE || size != data.len() as u64 {
            return Err(Error::model(format!(
                "the zip entry `{name}` is compressed ({} bytes for {size}), PyTorch stores them as they are",
                data.len()
            ))
            .help("in Python: `torch.save(torch.load(\"INPUT\", weights_only=True), \"OUT.pth\")`"));
        }
        // PyTorch writes 0 if it was told not to compute checksums.
        if crc != 0 && crc != rawzip::crc32(data) {
            return Err(Error::model(format!(
                "checksum mismatch in the zip entry `{name}`: the file is damaged"
            ))
            .help("copy or download the file again"));
        }
        Ok(data)
    }

    fn check_byte_order(&self) -> Result<()> {
        if !self.entries.contains_key(&format!("{}byteorder", self.folder)) {
            return Ok(());
        }
        match self.entry("byteorder")? {
            b"little" => Ok(()),
            other => Err(Error::model(format!(
                "the byte order is `{}`, expected `little`",
                String::from_utf8_lossy(other)
            ))
            .help("save the weights on a little-endian machine, such as any PC")),
        }
    }
}

/// The folder that has `data.pkl`.
fn folder(entries: &HashMap<String, ZipEntry<'_>>) -> Result<String> {
    let has = |test: &dyn Fn(&str) -> bool| entries.keys().any(|name| test(name));
    if has(&|name| name.ends_with("/constants.pkl") || name.contains("/code/")) {
        return Err(Error::model("the file is a TorchScript program, expected a state dict").help(
            "in Python: `torch.save(torch.jit.load(\"INPUT\").state_dict(), \"weights.pth\")`, then import weights.pth",
        ));
    }
    if has(&|name| name.ends_with("/archive_format") || name.ends_with("serialized_exported_program.json")) {
        return Err(Error::model("the file is a program of torch.export, expected a state dict").help(
            "in Python: `torch.save(torch.export.load(\"INPUT\").state_dict, \"weights.pth\")`, then import weights.pth",
        ));
    }
    let mut folders = entries.keys().filter_map(|name| name.strip_suffix("data.pkl"));
    match (folders.next(), folders.next()) {
        (Some(folder), None) if folder.is_empty() || folder.ends_with('/') => Ok(folder.to_owned()),
        (None, _) if has(&|name| name.ends_with(".npy")) => Err(Error::model(
            "the file has arrays of NumPy, expected a state dict of PyTorch",
        )
        .help(
            "in Python: `safetensors.numpy.save_file(dict(numpy.load(\"INPUT\")), \"weights.safetensors\")`",
        )),
        (None | Some(_), _) => Err(Error::model(
            "the zip archive was not written by torch.save: it has no `data.pkl`",
        )
        .help("in Python: `torch.save(model.state_dict(), \"weights.pth\")`, then import weights.pth")),
    }
}
