//! A model as a state dict.

use std::path::Path;

use super::metadata::Declared;
use super::naming::Naming;
use crate::Result;
use crate::files::container::{self, Array, Values};
use crate::model::Model;

/// Writes the parameters of `model` to a safetensors file, with the names of torchvision's `AlexNet` if it computes the same
/// function, and otherwise with those of the recipe's layers, as `interop/alexnet_torch.py` names them. The metadata has the recipe,
/// the class names and the preprocessing. Returns what is left out, a sentence each.
///
/// # Errors
/// Returns an error if the layers do not fit each other, or if the file cannot be written.
pub fn write(model: &Model, path: &Path) -> Result<Vec<String>> {
    let (naming, modules) = Naming::of_export(&model.network()?);
    let names: Vec<String> =
        modules.iter().flat_map(|module| [format!("{module}.weight"), format!("{module}.bias")]).collect();
    let arrays: Vec<Array<'_>> = names
        .iter()
        .zip(&model.parameters)
        .map(|(name, tensor)| Array { name, shape: &tensor.shape, values: Values::F32(&tensor.data) })
        .collect();
    let metadata = Declared::write(&model.recipe, &model.classes, &model.preprocess);
    container::write(path, &metadata, &arrays)?;
    let names = match naming {
        Naming::Torchvision => {
            "the names are those of torchvision's AlexNet: `torchvision.models.alexnet(num_classes=N).load_state_dict(\
             safetensors.torch.load_file(FILE))`"
        }
        Naming::Recipe => {
            "the network is not torchvision's, so the names are those of its layers: interop/alexnet_torch.py computes it"
        }
    };
    Ok(vec![names.to_owned(), "golden samples and the record of the training are left out".to_owned()])
}
