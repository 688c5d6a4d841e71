//! A state dict as a network with its weights.

use super::assign::{Assigned, assign};
use super::element::Element;
use super::legacy;
use super::metadata::Declared;
use super::naming::{Naming, TORCHVISION, recipe_needed, recipes_with};
use super::pickle;
use super::state_dict::StateDict;
use super::storages::{Storages, StoredTensor};
use super::zip::Zip;
use crate::data::Preprocess;
use crate::files::container;
use crate::format::first_dozen;
use crate::interop::classes;
use crate::interop::imported::Imported;
use crate::interop::source::{ImportOptions, SourceFile, SourceKind};
use crate::net::{Mean, Network, Recipe};
use crate::{Error, Result};

/// The mean color of ImageNet's training images, from 0 to 255, as torchvision subtracts it.
const IMAGENET_MEAN: [f32; 3] = [123.675, 116.28, 103.53];

/// Where the parameters of an imported network are in the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::interop) struct Places {
    /// The keys that lead to the state dict.
    pub(super) path: Vec<String>,
    /// The complete name of each parameter, in the order of the network.
    pub(super) names: Vec<String>,
    pub(super) naming: Naming,
}

/// Reads a state dict: a `.pth` file of `torch.save`, or a safetensors file.
///
/// # Errors
/// Returns an error if the file is damaged, has anything but a state dict, or if its tensors do not fit the network: the recipe in
/// `options`, that of an exported file, or torchvision's for tensors with its names.
pub fn read(file: &SourceFile, options: &ImportOptions) -> Result<Imported> {
    read_with_places(file, options).map(|(imported, _)| imported)
}

/// [`read`], and where the parameters are in the file.
pub(in crate::interop) fn read_with_places(
    file: &SourceFile,
    options: &ImportOptions,
) -> Result<(Imported, Places)> {
    let (mut dict, declared) = open(file)?;
    let naming = Naming::of(dict.tensors.keys().map(String::as_str));
    let mut notes = std::mem::take(&mut dict.notes);
    let mut recipe = recipe(&dict, naming, declared.as_ref(), options)?;
    let modules = naming.modules(&recipe, dict.tensors.keys().map(String::as_str));
    let network = Network::new(&recipe, outputs(&dict, &modules)?)?;
    let Assigned { parameters, sources, notes: assigned } = assign(&dict, &network, naming, &modules)?;
    notes.extend(assigned);
    let declared = declared.filter(|declared| declared.recipe == recipe);
    let (names, preprocess) = match declared {
        Some(Declared { classes, preprocess, .. }) => (Some(classes), preprocess),
        None => (None, assumed_preprocess(&mut recipe, &mut notes)),
    };
    let given = options.classes.clone().or(names);
    let classes = classes::complete(given, network.classes, &mut notes)?;
    let path = std::mem::take(&mut dict.path);
    let names = sources.into_iter().map(|name| format!("{}{name}", dict.prefix)).collect();
    Ok((Imported { recipe, classes, preprocess, parameters, notes }, Places { path, names, naming }))
}

/// The state dict of a file, and what the file says about the network.
fn open(file: &SourceFile) -> Result<(StateDict<'_>, Option<Declared>)> {
    match file.kind {
        SourceKind::TorchZip => {
            let zip = Zip::open(&file.bytes)?;
            let pickle = pickle::load(zip.entry("data.pkl")?)?;
            Ok((StateDict::find(&pickle, &Storages::Zip(zip))?, None))
        }
        SourceKind::TorchPickle => {
            let (pickle, storages) = legacy::open(&file.bytes)?;
            Ok((StateDict::find(&pickle, &storages)?, None))
        }
        SourceKind::Safetensors => safetensors(&file.bytes),
        SourceKind::Onnx | SourceKind::CaffeText | SourceKind::CaffeWeights | SourceKind::CaffeMean => {
            Err(Error::model("the file is not a state dict of PyTorch"))
        }
    }
}

fn safetensors(bytes: &[u8]) -> Result<(StateDict<'_>, Option<Declared>)> {
    let (file, header) = container::parse(bytes)?;
    let declared = header.metadata().as_ref().map(Declared::read).transpose()?.flatten();
    let mut dict = StateDict::default();
    for (name, view) in file.tensors() {
        let element = Element::of_dtype(view.dtype());
        let tensor = StoredTensor::consecutive(element, view.shape().to_vec(), view.data());
        dict.tensors.insert(name, tensor);
    }
    dict.strip_prefixes();
    Ok((dict, declared))
}

/// The recipe of the network.
fn recipe(
    dict: &StateDict<'_>,
    naming: Naming,
    declared: Option<&Declared>,
    options: &ImportOptions,
) -> Result<Recipe> {
    match (&options.recipe, declared, naming) {
        (Some(recipe), ..) => Ok(recipe.clone()),
        (None, Some(declared), _) => Ok(declared.recipe.clone()),
        (None, None, Naming::Torchvision) => Recipe::load(TORCHVISION),
        (None, None, Naming::Recipe) => {
            let shape = |name: &str| dict.tensors.get(name).map(|tensor| tensor.shape.clone());
            Err(recipe_needed(&recipes_with(&shape), &first_dozen(dict.tensors.keys())))
        }
    }
}

/// The number of outputs: the rows of the last module's weights.
fn outputs(dict: &StateDict<'_>, modules: &[String]) -> Result<usize> {
    let name = format!("{}.weight", modules.last().map_or("", String::as_str));
    match dict.tensors.get(&name).map(|tensor| tensor.shape.as_slice()) {
        Some([outputs, _]) => Ok(*outputs),
        Some(other) => Err(Error::model(format!(
            "tensor `{name}` of the last layer has shape {other:?}, expected two dimensions"
        ))),
        None => Err(Error::model(format!(
            "tensor `{name}` of the last layer is missing; the file has {}",
            first_dozen(dict.tensors.keys())
        ))
        .help("add the recipe of the network with `--recipe NAME` or `--recipe FILE`")),
    }
}

/// The preprocessing of the recipe, since state dicts have none. A mean that would be measured on training images becomes
/// ImageNet's mean color.
fn assumed_preprocess(recipe: &mut Recipe, notes: &mut Vec<String>) -> Preprocess {
    let mean = match recipe.input.mean {
        Mean::Fixed(mean) => mean,
        Mean::Image | Mean::Channels => {
            notes.push(format!(
                "the mean of the training images is not in the file: {IMAGENET_MEAN:?}, that of ImageNet, is assumed \
                 (`--set input.mean.fixed=[R,G,B]` changes it)"
            ));
            recipe.input.mean = Mean::Fixed(IMAGENET_MEAN);
            IMAGENET_MEAN
        }
    };
    let input = &recipe.input;
    notes.push(format!(
        "preprocessing is not in the file, that of the recipe {} is assumed: squares of {} pixels, crops of {}, RGB minus \
         {mean:?}, divided by {} and by {:?}",
        recipe.name,
        input.square,
        input.crop,
        input.divisor,
        input.std.unwrap_or([1.0; 3])
    ));
    Preprocess::with_mean(input, mean.to_vec())
}
