//! The files that `torch.save` wrote before version 1.6: five pickles (a magic number, a version, facts about the machine, the
//! object, and the keys of its storages), and then, for each key, a number of elements and their bytes.

use std::collections::HashMap;

use super::pickle::{Pickle, Value, load};
use super::storages::Storages;
use crate::{Error, Result};

const MAGIC: i128 = 0x1950_a86a_20f9_469c_fc6c;
const PROTOCOL: i128 = 1001;

/// Reads the object and its storages.
///
/// # Errors
/// Returns an error if the file was not written by `torch.save`, is truncated, or is that of a big-endian machine.
pub(super) fn open(bytes: &[u8]) -> Result<(Pickle<'_>, Storages<'_>)> {
    let mut rest = bytes;
    let mut next = || -> Result<Pickle<'_>> {
        let pickle = load(rest)?;
        rest = &rest[pickle.len..];
        Ok(pickle)
    };
    let is = |pickle: &Pickle<'_>, number| *pickle.value(pickle.root) == Value::Int(number);
    if !is(&next()?, MAGIC) {
        return Err(Error::model("the pickle was not written by torch.save")
            .help("in Python: `torch.save(model.state_dict(), \"weights.pth\")`, then import weights.pth"));
    }
    if !is(&next()?, PROTOCOL) {
        return Err(Error::model(format!("the version of the file is unknown, expected {PROTOCOL}")).help(
            "save it with a newer version of PyTorch: `torch.save(model.state_dict(), \"weights.pth\")`",
        ));
    }
    check_byte_order(&next()?)?;
    let object = next()?;
    let keys = next()?;
    let storages = storages(&object, &keys, rest)?;
    Ok((object, storages))
}

fn check_byte_order(system: &Pickle<'_>) -> Result<()> {
    let Value::Dict(pairs) = system.value(system.root) else {
        return Err(Error::model("the facts about the machine that wrote the file are missing"));
    };
    let is_big = pairs.iter().any(|(key, value)| {
        (system.value(*key), system.value(*value)) == (&Value::Text("little_endian"), &Value::Bool(false))
    });
    match is_big {
        false => Ok(()),
        true => Err(Error::model("the file was written by a big-endian machine")
            .help("save the weights on a little-endian machine, such as any PC")),
    }
}

/// The bytes of the storages in `rest`, by key.
fn storages<'a>(object: &Pickle<'a>, keys: &Pickle<'a>, mut rest: &'a [u8]) -> Result<Storages<'a>> {
    let sizes = object.storages().map(|storage| (storage.key, storage.element.size()));
    let sizes: HashMap<&str, usize> = sizes.collect();
    let Value::List(ids) = keys.value(keys.root) else {
        return Err(Error::model("the list of storages is missing: the file is damaged"));
    };
    let mut found = HashMap::new();
    for id in ids {
        let key = match keys.value(*id) {
            Value::Text(key) => *key,
            other => return Err(Error::model(format!("the key of a storage is {}", other.kind()))),
        };
        let truncated =
            || Error::model(format!("storage `{key}` is truncated")).help("copy or download the file again");
        let size = sizes.get(key).ok_or_else(|| {
            Error::model(format!(
                "storage `{key}` belongs to no tensor, so the size of its elements is unknown"
            ))
        })?;
        let (len, data) = rest.split_first_chunk::<8>().ok_or_else(truncated)?;
        let len = usize::try_from(u64::from_le_bytes(*len)).ok().and_then(|len| len.checked_mul(*size));
        let (data, after) = len.and_then(|len| data.split_at_checked(len)).ok_or_else(truncated)?;
        found.insert(key, data);
        rest = after;
    }
    Ok(Storages::ByKey(found))
}
