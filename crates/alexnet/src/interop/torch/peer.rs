//! The same network in PyTorch, to compare logits with.

use serde_json::json;

use super::naming::Naming;
use super::read::Places;
use crate::Result;
use crate::interop::imported::Imported;
use crate::interop::peer::PeerScript;
use crate::interop::source::{SourceFile, SourceKind};
use crate::net::Network;

/// The script that computes the logits of an imported state dict.
///
/// # Errors
/// Returns an error if the layers do not fit each other.
pub(in crate::interop) fn script(
    file: &SourceFile,
    imported: &Imported,
    places: &Places,
) -> Result<PeerScript> {
    let network = Network::new(&imported.recipe, imported.classes.len())?;
    let path = std::path::absolute(&file.path).unwrap_or_else(|_| file.path.clone());
    let theirs = match (places.naming, Naming::of_export(&network)) {
        (Naming::Torchvision, (Naming::Torchvision, modules)) => {
            let names =
                modules.iter().flat_map(|module| [format!("{module}.weight"), format!("{module}.bias")]);
            Some(names.collect::<Vec<_>>())
        }
        (Naming::Torchvision | Naming::Recipe, _) => None,
    };
    let parameters: Vec<&str> = imported.parameters.iter().map(|tensor| tensor.name.as_str()).collect();
    let request = json!({
        "file": path.to_string_lossy(),
        "kind": match file.kind {
            SourceKind::Safetensors => "safetensors",
            SourceKind::TorchZip | SourceKind::TorchPickle => "pickle",
            SourceKind::Onnx | SourceKind::CaffeText | SourceKind::CaffeWeights | SourceKind::CaffeMean => "other",
        },
        "path": places.path,
        "names": places.names,
        "parameters": parameters,
        "torchvision": theirs,
        "recipe": imported.recipe.to_toml(),
    });
    Ok(PeerScript {
        files: vec![
            ("compare.py", include_str!("compare.py")),
            ("alexnet_torch.py", include_str!("../../../interop/alexnet_torch.py")),
        ],
        request,
    })
}
