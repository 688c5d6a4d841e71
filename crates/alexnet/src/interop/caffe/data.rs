//! What a definition says about the images: their size, and how they are prepared.

use super::message::Message;
use super::nodes::{Node, Phase};
use super::operation::Operation;
use super::origin::{Origin, short};
use crate::Result;

/// What a definition says about the images.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct ImageSettings {
    /// The side of the network's input, if it is stated.
    pub(super) crop: Option<usize>,
    /// The side of the images before they are cropped, if it is stated.
    pub(super) square: Option<usize>,
    pub(super) mean: MeanSetting,
    /// The factor after the mean is subtracted.
    pub(super) scale: f64,
    /// Whether images are cropped at random and mirrored in training, if it is stated.
    pub(super) is_cropped: Option<bool>,
    pub(super) is_mirrored: Option<bool>,
    /// The number of images in a batch, of a layer that makes training data.
    pub(super) batch: Option<usize>,
}

/// What is subtracted from the pixels.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum MeanSetting {
    /// The definition does not say.
    Unstated,
    /// Nothing.
    Zero,
    /// A mean image, in this file.
    File(String),
    /// Red, green and blue.
    Values([f64; 3]),
}

const THREE_CHANNELS: &str = "this program's networks have three input channels: red, green and blue";

/// Reads what a definition says about the images, whose blob is `blob`, in a phase.
///
/// # Errors
/// Returns an error if they are not squares of three channels, or if a value is out of range.
pub(super) fn image_settings(
    net: &Message,
    (nodes, operations): (&[Node<'_>], &[Operation]),
    blob: &str,
    phase: Phase,
    origin: &Origin,
) -> Result<ImageSettings> {
    let is_source = |(node, operation): &(&Node<'_>, &Operation)| {
        **operation == Operation::Source && node.phases.has(phase) && node.tops.contains(&blob)
    };
    let source = nodes.iter().zip(operations).find(is_source).map(|(node, _)| node);
    let Some(node) = source else {
        let side = declared_side(net, blob, origin)?;
        return Ok(ImageSettings { crop: side, ..unstated() });
    };
    let top = node.tops.iter().position(|top| *top == blob).unwrap_or(0);
    let shapes: Vec<&Message> =
        node.message.message("input_param").map_or(Vec::new(), |param| param.messages("shape").collect());
    let shape = shapes.get(top).or(shapes.first()).map(|shape| shape.ints("dim"));
    let mut settings = unstated();
    if let Some(shape) = shape {
        settings.crop = Some(side(&shape, node.line, origin)?);
    }
    if let Some(memory) = node.message.message("memory_data_param") {
        let shape = ["batch_size", "channels", "height", "width"].map(|name| memory.int(name).unwrap_or(0));
        settings.crop = Some(side(&shape, node.line, origin)?);
    }
    prepare(&mut settings, node, origin)?;
    Ok(settings)
}

fn unstated() -> ImageSettings {
    ImageSettings {
        crop: None,
        square: None,
        mean: MeanSetting::Unstated,
        scale: 1.0,
        is_cropped: None,
        is_mirrored: None,
        batch: None,
    }
}

/// Returns the side of a blob that `input` declares.
fn declared_side(net: &Message, blob: &str, origin: &Origin) -> Result<Option<usize>> {
    let Some(at) = net.texts("input").iter().position(|input| *input == blob) else { return Ok(None) };
    let shape = net.messages("input_shape").nth(at).map(|shape| shape.ints("dim"));
    let dims = net.ints("input_dim");
    let shape = shape.or_else(|| dims.get(4 * at..4 * at + 4).map(<[i64]>::to_vec));
    shape.map(|shape| side(&shape, net.line_of("input"), origin)).transpose()
}

/// Returns the side of images of this shape: batch, channels, height, width.
fn side(shape: &[i64], line: Option<usize>, origin: &Origin) -> Result<usize> {
    match *shape {
        [_, 3, height, width] if height == width && (1..=4096).contains(&height) => Ok(height as usize),
        _ => Err(origin
            .refuse(
                line,
                format!("the input has the shape {shape:?}, expected [N, 3, S, S] with S from 1 to 4096"),
            )
            .help(THREE_CHANNELS)),
    }
}

/// Reads how a layer prepares images. Early versions of the format have it among the settings of the data.
fn prepare(settings: &mut ImageSettings, node: &Node<'_>, origin: &Origin) -> Result<()> {
    let sources = ["transform_param", "data_param", "image_data_param"];
    let messages: Vec<&Message> = sources.iter().filter_map(|name| node.message.message(name)).collect();
    let find = |name: &str| messages.iter().copied().find(|message| message.find(name).is_some());
    let integer = |name: &str, most: i64| match find(name).and_then(|message| message.int(name)) {
        None | Some(0) => Ok(None),
        Some(value) if (1..=most).contains(&value) => Ok(Some(value as usize)),
        Some(value) => Err(node
            .refuse(origin, format!("`{name}` is {value}, expected 1 to {most}"))
            .help(format!("write `{name}: 227`, or another number in this range"))),
    };
    let crop = integer("crop_size", 4096)?;
    if let (Some(crop), Some(side)) = (crop, settings.crop)
        && crop != side
    {
        return Err(node
            .refuse(origin, format!("`crop_size` is {crop}, expected {side}, the side of the input"))
            .help(format!("write `crop_size: {side}`")));
    }
    if find("force_gray").and_then(|message| message.flag("force_gray")) == Some(true)
        || find("is_color").and_then(|message| message.flag("is_color")) == Some(false)
    {
        return Err(node.refuse(origin, "gray images").help(THREE_CHANNELS));
    }
    let (height, width) = (integer("new_height", 4096)?, integer("new_width", 4096)?);
    if height == width {
        settings.square = height;
    }
    let makes_data = matches!(node.kind, "Data" | "ImageData");
    settings.crop = settings.crop.or(crop).or(settings.square);
    settings.is_cropped = makes_data.then_some(crop.is_some());
    settings.is_mirrored =
        makes_data.then(|| find("mirror").and_then(|message| message.flag("mirror")).unwrap_or(false));
    settings.batch = match node.kind {
        "Input" | "DummyData" => None,
        _ => [
            node.message.message("memory_data_param"),
            node.message.message("hdf5_data_param"),
            find("batch_size"),
        ]
        .into_iter()
        .flatten()
        .find_map(|message| message.int("batch_size"))
        .and_then(|batch| usize::try_from(batch).ok()),
    };
    let scale = find("scale").and_then(|message| message.float("scale")).unwrap_or(1.0);
    if !(1e-6..=1e6).contains(&scale) {
        return Err(node
            .refuse(origin, format!("`scale` is {scale}, expected 1e-6 to 1e6"))
            .help("write `scale: 1`, or remove it"));
    }
    settings.scale = scale;
    settings.mean = mean(&messages, makes_data, node, origin)?;
    Ok(())
}

fn mean(messages: &[&Message], makes_data: bool, node: &Node<'_>, origin: &Origin) -> Result<MeanSetting> {
    let values: Vec<f64> = messages.iter().flat_map(|message| message.floats("mean_value")).collect();
    let file = messages.iter().find_map(|message| message.text("mean_file"));
    let in_range = values.iter().all(|value| (0.0..=255.0).contains(value));
    match (&values[..], file) {
        ([], Some(file)) => Ok(MeanSetting::File(short(file))),
        ([], None) if makes_data => Ok(MeanSetting::Zero),
        ([], None) => Ok(MeanSetting::Unstated),
        ([_, ..], Some(_)) => Err(node
            .refuse(origin, "`mean_file` as well as `mean_value`, expected one of them")
            .help("remove one of them")),
        ([gray], None) if in_range => Ok(MeanSetting::Values([*gray; 3])),
        // Caffe's images have blue first.
        ([blue, green, red], None) if in_range => Ok(MeanSetting::Values([*red, *green, *blue])),
        (values, None) => Err(node
            .refuse(origin, format!("`mean_value` is {values:?}, expected 1 or 3 numbers from 0 to 255"))
            .help("write the mean blue, green and red: `mean_value: 104 mean_value: 117 mean_value: 123`")),
    }
}
