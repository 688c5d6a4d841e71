//! Weights, with a definition or their own, to a model.

use super::data::MeanSetting;
use super::definition::{CaffeImages, Definition, Given, definition};
use super::mean::MeanImage;
use super::message::{Message, Unknown};
use super::origin::Origin;
use super::recipe::{TextFile, unknown_fields};
use super::schema::NET;
use super::weights::{Blobs, tensors};
use super::wire::{Remarks, decode};
use crate::data::{Preprocess, square};
use crate::format::counted;
use crate::interop::{Imported, arrange, classes};
use crate::net::{Mean, Network, Recipe};
use crate::{Error, Result};

/// The contents of Caffe's files for a network, each with its name in messages.
#[derive(Clone, Copy, Debug)]
pub struct CaffeContents<'a> {
    /// The network definition: `deploy.prototxt` or `train_val.prototxt`. By default that in the weights.
    pub net: Option<(&'a str, &'a str)>,
    /// The solver definition: `solver.prototxt`.
    pub solver: Option<(&'a str, &'a str)>,
    /// The weights: `.caffemodel`.
    pub weights: (&'a [u8], &'a str),
    /// The mean image: `mean.binaryproto`.
    pub mean: Option<(&'a [u8], &'a str)>,
    /// The class names, in the order of the outputs.
    pub classes: Option<(&'a [String], &'a str)>,
}

/// Converts a network with its weights. Input channels of the first layer and of the mean, which Caffe has in the order blue,
/// green, red, become red, green, blue. Memory is bounded by the sizes of the contents.
///
/// # Errors
/// Returns an error if a content is damaged, if layers have no counterpart in recipes, if the weights do not fit the
/// definition, or if the mean is missing or has another size. The message names the file and lists all layers concerned.
pub fn import(contents: &CaffeContents<'_>) -> Result<Imported> {
    let files = Files::decode(contents)?;
    let Definition { recipe, sources, mean: setting, gaps, training_gaps } = files.definition()?;
    let origin = files.net.as_ref().map_or(&files.origin, |net| &net.origin).clone();
    let Files { weights, origin: weights_origin, mean, mut notes, .. } = files;
    let classes = match contents.classes {
        Some((names, name)) => classes::complete(Some(names.to_vec()), recipe.classes, &mut notes)
            .map_err(|error| error.context(name))?,
        None => classes::complete(None, recipe.classes, &mut notes)?,
    };
    if let (Some(_), MeanSetting::Values(_) | MeanSetting::Zero) = (&mean, &setting) {
        notes.push(
            "The mean image is subtracted, although the definition states another mean, or none".to_owned(),
        );
    }
    let (recipe, mean) = with_mean(recipe, &setting, mean, &origin)?;
    let network = Network::new(&recipe, classes.len())?;
    let mut blobs = Blobs::take(weights);
    let parameters = arrange(&network, tensors(&mut blobs, &sources, &network, &weights_origin)?)?;
    if let Some(rest) = blobs.rest() {
        notes.push(format!(
            "Ignored: the weights of {rest}. The definition has no such layers, or does not use them"
        ));
    }
    notes.extend(gaps.iter().map(|gap| sentence(&gap.what, &gap.why)));
    if !training_gaps.is_empty() {
        let count = counted(training_gaps.len(), "assumption");
        notes.push(format!(
            "The recipe in the model makes {count} about training. They are among its deviations, and matter only for a new training"
        ));
    }
    let preprocess = preprocess(&recipe, mean);
    Ok(Imported { recipe, classes, preprocess, parameters, notes })
}

/// The decoded files.
struct Files<'a> {
    weights: Message,
    origin: Origin,
    net: Option<TextFile>,
    solver: Option<TextFile>,
    mean: Option<MeanImage>,
    mean_name: Option<&'a str>,
    notes: Vec<String>,
}

impl<'a> Files<'a> {
    fn decode(contents: &CaffeContents<'a>) -> Result<Self> {
        let mut notes = Vec::new();
        let (bytes, name) = contents.weights;
        let origin = Origin::binary(name);
        let weights = weights_message(bytes, &origin, &mut notes)?;
        let mut definition = |parsed: Option<(TextFile, Unknown)>| {
            let (file, unknown) = parsed?;
            let gap = unknown_fields(&file.origin, &unknown);
            notes.extend(gap.map(|gap| sentence(&gap.what, &gap.why)));
            Some(file)
        };
        let net = definition(contents.net.map(TextFile::parse_net).transpose()?);
        let solver = definition(contents.solver.map(TextFile::parse_solver).transpose()?);
        let mean = contents.mean.map(|(bytes, name)| read_mean(bytes, name, &mut notes)).transpose()?;
        Ok(Self { weights, origin, net, solver, mean, mean_name: contents.mean.map(|(_, name)| name), notes })
    }

    /// Converts the definition of the network, or else that in the weights.
    fn definition(&self) -> Result<Definition> {
        let net = self.net.as_ref().map_or((&self.weights, &self.origin), |net| (&net.message, &net.origin));
        let solver = self.solver.as_ref().map(|solver| (&solver.message, &solver.origin));
        let images = CaffeImages { square: self.mean.as_ref().map(|mean| mean.side), count: None };
        definition(net, solver, Given { images, mean: self.mean_name })
    }
}

fn sentence(what: &str, why: &str) -> String {
    format!("{what}. {why}")
}

/// Decodes a file of weights.
fn weights_message(bytes: &[u8], origin: &Origin, notes: &mut Vec<String>) -> Result<Message> {
    if bytes.starts_with(b"\x89HDF") {
        return Err(origin
            .refuse(None, "an HDF5 file, expected a .caffemodel file in the binary format of protobuf")
            .help("load it with Caffe and save it again: `net.copy_from('a.caffemodel.h5'); net.save('a.caffemodel')`"));
    }
    let (message, remarks) = decode(bytes, origin, &NET)?;
    add_remarks(&remarks, origin, notes);
    Ok(message)
}

fn add_remarks(remarks: &Remarks, origin: &Origin, notes: &mut Vec<String>) {
    if remarks.rounded {
        notes.push(format!("{}: numbers in double precision were rounded to single precision", origin.name));
    }
    let gap = unknown_fields(origin, &remarks.unknown);
    notes.extend(gap.map(|gap| sentence(&gap.what, &gap.why)));
}

fn read_mean(bytes: &[u8], name: &str, notes: &mut Vec<String>) -> Result<MeanImage> {
    let origin = Origin::binary(name);
    let (mean, remarks) = MeanImage::decode(bytes, &origin)?;
    add_remarks(&remarks, &origin, notes);
    Ok(mean)
}

/// Decides what is subtracted from the pixels: a mean image, or a color.
fn with_mean(
    mut recipe: Recipe,
    setting: &MeanSetting,
    image: Option<MeanImage>,
    origin: &Origin,
) -> Result<(Recipe, Vec<f32>)> {
    let values = match (image, setting) {
        (Some(image), _) => {
            match image.color().filter(|color| color.iter().all(|c| (0.0..=255.0).contains(c))) {
                Some(color) => color.to_vec(),
                None => image.pixels,
            }
        }
        (None, MeanSetting::Zero) => vec![0.0; 3],
        (None, MeanSetting::Values(values)) => values.map(|value| value as f32).to_vec(),
        (None, MeanSetting::File(file)) => {
            return Err(origin
                .refuse(None, format!("the mean image {file} is missing"))
                .help(format!("specify it as well: {file}")));
        }
        (None, MeanSetting::Unstated) => {
            return Err(origin
                .refuse(None, "nothing says what is subtracted from the pixels")
                .help(
                    "specify the mean image as well, mean.binaryproto; or write the mean blue, green and red into the first layer \
                     of the definition: `transform_param { mean_value: 104 mean_value: 117 mean_value: 123 }`, or `mean_value: 0`",
                ));
        }
    };
    recipe.input.mean = match values[..] {
        [red, green, blue] => Mean::Fixed([red, green, blue]),
        _ => Mean::Image,
    };
    Ok((recipe, values))
}

/// How an image becomes the input of the network.
fn preprocess(recipe: &Recipe, mean: Vec<f32>) -> Preprocess {
    Preprocess {
        square: recipe.input.square,
        crop: recipe.input.crop,
        orientation: recipe.input.orientation,
        resize: square::RESIZE.to_owned(),
        channels: "RGB".to_owned(),
        divisor: recipe.input.divisor,
        deviations: [1.0; 3],
        mean,
    }
}

/// An error about a missing file of weights.
pub(super) fn no_weights() -> Error {
    Error::usage("no file of weights, expected one that ends in .caffemodel").help(
        "specify it with the others; for a definition without weights: `alexnet recipe from-caffe train_val.prototxt`",
    )
}
