//! Files of other formats that are given as models: what they are, and the command that converts them.

use std::path::Path;

use crate::Error;
use crate::data::decode::Format;
use crate::error::shell;
use crate::files::container;

/// What a file is that cannot be read as a model.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Foreign {
    /// A network of another program, which `alexnet import` reads.
    Network(&'static str),
    Image(Format),
}

/// The error of a file that cannot be read as a model, with its path; if another program wrote it, or it is an image, it says so.
pub(super) fn explain(error: Error, bytes: &[u8], path: &Path) -> Error {
    let (shown, quoted) = (path.display(), shell(path));
    match recognize(bytes) {
        None => error.context(shown),
        Some(Foreign::Network(what)) => Error::model(format!("{shown}: {what}, not a model of this program"))
            .help(format!("`alexnet import {quoted} model.safetensors`")),
        Some(Foreign::Image(format)) => {
            Error::model(format!("{shown}: an image ({}), not a model", format.name()))
                .help(format!("the model comes first: `alexnet classify MODEL {quoted}`"))
        }
    }
}

fn recognize(bytes: &[u8]) -> Option<Foreign> {
    if bytes.get(8) == Some(&b'{') {
        return is_state_dict(bytes).then_some(Foreign::Network("a state dict"));
    }
    if let Some(format) = Format::of(bytes) {
        return Some(Foreign::Image(format));
    }
    let starts = |words: &[&str]| words.iter().any(|word| bytes.starts_with(word.as_bytes()));
    // In the length of a header, which starts a safetensors file, the last bytes are 0.
    let is_length = bytes.get(..8).is_none_or(|length| length.contains(&0));
    Some(Foreign::Network(match bytes {
        [b'P', b'K', 3, 4, ..] => "a file of PyTorch",
        [0x80, 2..=5, ..] if !is_length => "a file of PyTorch",
        // The version, then the name of the program or the graph.
        [0x08, 3..=20, 0x12 | 0x3a, ..] if !is_length => "an ONNX graph",
        // The name.
        [0x0a, ..] if !is_length => "a network of Caffe",
        _ if starts(&["name:", "layer", "input"]) => "a network of Caffe",
        _ => return None,
    }))
}

/// Whether a safetensors file has weights, but not the version that a model has.
fn is_state_dict(bytes: &[u8]) -> bool {
    container::parse(bytes).is_ok_and(|(tensors, header)| {
        let has_version =
            header.metadata().as_ref().is_some_and(|strings| strings.contains_key("format_version"));
        !has_version && tensors.names().iter().any(|name| name.ends_with(".weight"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_of_other_programs_and_images_are_named() {
        let state_dict = |metadata: &str| {
            let header =
                format!(r#"{{{metadata}"fc1.weight":{{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}}}"#);
            [&(header.len() as u64).to_le_bytes()[..], header.as_bytes(), &[0; 4]].concat()
        };
        let old = Error::model("not a safetensors file");
        for (bytes, expected) in [
            (&b"PK\x03\x04...."[..], "a file of PyTorch"),
            (b"\x80\x02\x8a\x0al\xfc\x9cF\xf9", "a file of PyTorch"),
            (b"\x08\x08\x12\x07pytorch", "an ONNX graph"),
            (b"\x0a\x07AlexNet", "a network of Caffe"),
            (b"name: \"AlexNet\"", "a network of Caffe"),
            (&state_dict(""), "a state dict"),
        ] {
            let error = explain(old.clone(), bytes, Path::new("my net.onnx"));
            assert_eq!(error.message, format!("my net.onnx: {expected}, not a model of this program"));
            assert_eq!(error.help.unwrap(), "`alexnet import 'my net.onnx' model.safetensors`");
        }
        let error = explain(old.clone(), b"\x89PNG\r\n\x1a\n", Path::new("cat.png"));
        assert_eq!(error.message, "cat.png: an image (PNG), not a model");
        // Damaged models are no files of other programs.
        let versioned = state_dict(r#""__metadata__":{"format_version":"2"},"#);
        for bytes in [&b""[..], b"hello", b"\x0a\x07\0\0\0\0\0\0[", &versioned, &versioned[..40]] {
            assert_eq!(explain(old.clone(), bytes, Path::new("m")).message, "m: not a safetensors file");
        }
    }
}
