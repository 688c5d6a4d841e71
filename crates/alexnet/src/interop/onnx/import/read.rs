//! A whole file.

use std::path::Path;

use prost::Message;

use super::chain::Chain;
use super::evaluate::{add_constants, evaluate};
use super::limits::{check, malformed};
use super::operator::is_float;
use super::options::{ChannelOrder, OnnxImport};
use super::peer::GraphEnds;
use super::preprocess::{self, Convention};
use super::problem::{shown, unsupported};
use super::recipe;
use super::same::is_same_function;
use super::signal::{FoundLayer, Origin, Pixels, SignalId, maps_shape};
use super::state::{State, Value};
use super::tensors::{Tensors, type_name};
use crate::data::Preprocess;
use crate::files::container;
use crate::interop::classes;
use crate::interop::imported::{Imported, arrange};
use crate::interop::onnx::metadata::Declaration;
use crate::interop::onnx::proto::{GraphProto, ModelProto, ValueInfoProto, data_type};
use crate::interop::peer::PeerScript;
use crate::net::{DropoutScale, Network, Recipe, Spec};
use crate::{Error, Result};
use alexnet_kernels::geometry::Maps;

/// The operator sets that are read.
const OPSETS: std::ops::RangeInclusive<i64> = 7..=22;

/// The side of an input that no file and no option fixes.
const USUAL_CROP: usize = 224;

/// Reads a network from an ONNX file. Arrays in files of their own are read from the folder of the model.
///
/// # Errors
/// Returns an error as [`parse`] does, or if the file cannot be read.
pub fn read(path: &Path, options: &OnnxImport) -> Result<Imported> {
    read_with_ends(path, options).map(|(imported, _)| imported)
}

/// Reads a network as [`read`] does, with the script that computes its logits with onnxruntime, unless the graph computes in fewer
/// than 32 bits, where they differ.
///
/// # Errors
/// Returns an error as [`read`] does.
pub(in crate::interop) fn read_with_peer(
    path: &Path,
    options: &OnnxImport,
) -> Result<(Imported, Option<PeerScript>)> {
    let (imported, ends) = read_with_ends(path, options)?;
    Ok((imported, ends.script(path)))
}

fn read_with_ends(path: &Path, options: &OnnxImport) -> Result<(Imported, GraphEnds)> {
    let bytes = container::bytes(path)?;
    let name = path.file_stem().map_or_else(|| "onnx".to_owned(), |stem| stem.to_string_lossy().into_owned());
    let folder = path.parent().map(|folder| if folder == Path::new("") { Path::new(".") } else { folder });
    parse_with_ends(&bytes, &name, folder, options).map_err(|error| error.context(path.display()))
}

/// Reads a network from the bytes of an ONNX file. `name` becomes the recipe's; arrays in other files are read from `folder`, if there
/// is one. Memory is bounded by the size of the files.
///
/// # Errors
/// Returns an error if the file is damaged, if it is of an unknown version, if the graph is no chain of supported layers, with all
/// that is not supported and the names of the nodes, or if a file of arrays is outside of the folder.
pub fn parse(bytes: &[u8], name: &str, folder: Option<&Path>, options: &OnnxImport) -> Result<Imported> {
    parse_with_ends(bytes, name, folder, options).map(|(imported, _)| imported)
}

fn parse_with_ends(
    bytes: &[u8],
    name: &str,
    folder: Option<&Path>,
    options: &OnnxImport,
) -> Result<(Imported, GraphEnds)> {
    check(bytes)?;
    let file = ModelProto::decode(bytes).map_err(|error| malformed(&error.to_string()))?;
    let graph = file.graph.as_ref().ok_or_else(|| malformed("it has no graph"))?;
    let opset = opset(&file)?;
    let declared = Declaration::read(&file.metadata_props)?;
    let mut state = State::new(Tensors::new(folder, bytes.len()), opset);
    for function in &file.functions {
        let place = format!("function `{}`", shown(&function.name));
        state.report(&place, "operators that a file defines are not supported");
    }
    let chain = chain(&mut state, graph, declared.as_ref(), options)?;
    match chain {
        Some(chain) => imported(state, chain, declared, name, options),
        None => Err(unsupported(&state.problems)),
    }
}

/// The version of the operators.
fn opset(file: &ModelProto) -> Result<i64> {
    let own = file.opset_import.iter().find(|opset| matches!(opset.domain.as_str(), "" | "ai.onnx"));
    let version =
        own.map(|opset| opset.version).ok_or_else(|| malformed("it has no version of operators"))?;
    match OPSETS.contains(&version) {
        true => Ok(version),
        false => Err(Error::model(format!(
            "operator set {version}, expected {} to {}",
            OPSETS.start(),
            OPSETS.end()
        ))
        .help("export the network again with `opset_version=20`, or convert the file in Python: `onnx.version_converter.convert_version(model, 20)`")),
    }
}

/// The layers of the graph; `None` if something is not supported, which was reported.
fn chain<'a>(
    state: &mut State<'a>,
    graph: &'a GraphProto,
    declared: Option<&Declaration>,
    options: &OnnxImport,
) -> Result<Option<Chain>> {
    add_constants(state, graph);
    for sparse in &graph.sparse_initializer {
        let _ = sparse;
        state.report("the graph", "sparse arrays are not supported");
    }
    let inputs: Vec<&ValueInfoProto> =
        graph.input.iter().filter(|input| !state.values.contains_key(input.name.as_str())).collect();
    let [input] = inputs.as_slice() else {
        let names: Vec<String> = inputs.iter().map(|input| shown(&input.name)).collect();
        state.report("the graph", format!("{} inputs ({}), expected one", inputs.len(), names.join(", ")));
        return Ok(None);
    };
    let images = input_signal(state, input, declared, options)?;
    state.values.insert(&input.name, images.map_or(Value::Unknown, Value::Signal));
    if graph.output.len() != 1 {
        let names: Vec<String> = graph.output.iter().map(|output| shown(&output.name)).collect();
        state.report(
            "the graph",
            format!("{} outputs ({}), expected one", graph.output.len(), names.join(", ")),
        );
    }
    let Some(output) = graph.output.first() else { return Ok(None) };
    evaluate(state, graph, &output.name);
    state.check_pixels(declared);
    match state.values.get(output.name.as_str()) {
        Some(&Value::Signal(output)) => Ok(state.chain(output)),
        Some(_) | None if !state.problems.is_empty() => Ok(None),
        Some(_) | None => {
            state.report("the output", "it does not depend on the input");
            Ok(None)
        }
    }
}

/// The images that go into the graph.
fn input_signal(
    state: &mut State<'_>,
    input: &ValueInfoProto,
    declared: Option<&Declaration>,
    options: &OnnxImport,
) -> Result<Option<SignalId>> {
    let place = format!("input `{}`", shown(&input.name));
    state.place.clone_from(&place);
    let Some(tensor) = input.r#type.as_ref().and_then(|kind| kind.tensor_type.as_ref()) else {
        state.report(&place, "it is no tensor");
        return Ok(None);
    };
    let dimensions: Option<Vec<Option<i64>>> = tensor.shape.as_ref().map(|shape| {
        shape.dim.iter().map(|dimension| dimension.dim_value.filter(|&size| size > 0)).collect()
    });
    // Without a shape, that of any input.
    let dimensions = dimensions.filter(|sizes| !sizes.is_empty()).unwrap_or_else(|| vec![None; 4]);
    match (tensor.elem_type, dimensions.as_slice()) {
        (kind, &[images, None | Some(3), height, width]) if is_float(kind) => {
            if kind != data_type::FLOAT {
                state.note(format!("the input is of type {}: all is computed in float32", type_name(kind)));
            }
            state.images = images;
            let side = side(state, [height, width], declared, options)?;
            let maps = Maps::new(side[0], side[1], 3);
            Ok(Some(state.add(maps_shape(maps), maps, Origin::Images)))
        }
        (data_type::UINT8, &[images, Some(height), Some(width), Some(3)])
            if height == width && (1..=4096).contains(&height) =>
        {
            state.images = images;
            let side = height as usize;
            Ok(Some(state.add_pixels(Pixels { input_side: side, side, ..Pixels::default() })))
        }
        (kind, sizes) => {
            let sizes: Vec<String> =
                sizes.iter().map(|size| size.map_or("?".to_owned(), |size| size.to_string())).collect();
            state.report(
                &place,
                format!("{} [{}], expected float32 [N, 3, height, width]", type_name(kind), sizes.join(", ")),
            );
            Ok(None)
        }
    }
}

/// The height and width of the input, which the file may leave open.
fn side(
    state: &mut State<'_>,
    sides: [Option<i64>; 2],
    declared: Option<&Declaration>,
    options: &OnnxImport,
) -> Result<[usize; 2]> {
    let open = match (options.input.crop, declared) {
        (Some(crop), _) => crop,
        (None, Some(declared)) => declared.preprocess.crop,
        (None, None) => USUAL_CROP,
    };
    if sides.contains(&None) && options.input.crop.is_none() && declared.is_none() {
        state.note(format!(
            "the file leaves the size of the input open: {USUAL_CROP} x {USUAL_CROP} pixels are assumed"
        ));
    }
    let side = |side: Option<i64>| match side {
        None => Ok(open),
        Some(side) => match (usize::try_from(side).ok().filter(|&side| side <= 4096), options.input.crop) {
            (Some(side), crop) if crop.is_none_or(|crop| crop == side) => Ok(side),
            (Some(side), _) => {
                Err(Error::usage(format!("a crop of {open} pixels, but the input of the graph has {side}"))
                    .help("leave the crop to the file"))
            }
            (None, _) => Err(Error::model(format!("an input of {side} pixels, expected at most 4096"))),
        },
    };
    Ok([side(sides[0])?, side(sides[1])?])
}

/// The network of the layers.
fn imported(
    mut state: State<'_>,
    mut chain: Chain,
    declared: Option<Declaration>,
    name: &str,
    options: &OnnxImport,
) -> Result<(Imported, GraphEnds)> {
    let mut notes = std::mem::take(&mut state.notes);
    notes.extend(state.tensors.notes());
    let convention = Convention::assumed(state.has_lrn);
    let total: usize = chain
        .layers
        .iter()
        .filter_map(|layer| layer.parameters.as_ref())
        .map(|found| found.weights.len())
        .sum();
    state.tensors.spend(total).map_err(Error::model)?;
    let mut ends = GraphEnds {
        pixels: state.pixels.take(),
        order: ChannelOrder::Rgb,
        has_softmax: chain.has_softmax,
        is_exact: !state.has_bytes && !state.tensors.has_converted(),
    };
    drop(state);
    let crop = preprocess::crop(&chain)?;
    let (recipe, preprocess, classes) = match declared {
        Some(declared) => from_metadata(&chain, declared, name, options, &mut notes)?,
        None => {
            let (input, order) = preprocess::assumed(&options.input, convention, crop, &mut notes);
            ends.order = order;
            recipe::exchange_red_and_blue(&mut chain, order).map_err(|what| {
                Error::model(format!("the network reads BGR, but {what}"))
                    .help("import it as RGB, and exchange the channels of its input")
            })?;
            notes.push(format!(
                "how to train the network is not in the file: the optimizer, schedule and augmentation of the recipe {} are assumed",
                convention.recipe()
            ));
            notes.extend(factor_note(&chain));
            let base = Recipe { input, ..Recipe::load(convention.recipe())? };
            let recipe = recipe::of_graph(&chain, base, name)?;
            let mean = preprocess::mean(&recipe.input);
            let preprocess = Preprocess::with_mean(&recipe.input, mean);
            (recipe, preprocess, None)
        }
    };
    let outputs = chain.outputs;
    let classes = classes::complete(options.classes.clone().or(classes), outputs, &mut notes)?;
    let network = Network::new(&recipe, outputs)?;
    let parameters = arrange(&network, recipe::parameters(chain, &network))?;
    Ok((Imported { recipe, classes, preprocess, parameters, notes }, ends))
}

/// What the metadata says, as far as the graph agrees with it.
fn from_metadata(
    chain: &Chain,
    declared: Declaration,
    name: &str,
    options: &OnnxImport,
    notes: &mut Vec<String>,
) -> Result<(Recipe, Preprocess, Option<Vec<String>>)> {
    if options.input.has_preprocessing() {
        return Err(Error::usage(
            "the preprocessing is described in the metadata of the file, and cannot be chosen",
        )
        .help("leave out the options of preprocessing"));
    }
    let Declaration { recipe, classes, preprocess } = declared;
    if preprocess.crop != chain.input.height {
        return Err(Error::model(format!(
            "the input of the graph has {} pixels, but the metadata says {}",
            chain.input.height, preprocess.crop
        ))
        .help("export the model again"));
    }
    let classes = (classes.len() == chain.outputs).then_some(classes);
    let found = recipe::of_graph(chain, recipe.clone(), name)?;
    let networks = [&recipe, &found].map(|recipe| Network::new(recipe, chain.outputs));
    if let [Ok(declared), Ok(found)] = &networks
        && is_same_function(declared, found)
    {
        return Ok((recipe, preprocess, classes));
    }
    notes.push(format!(
        "the layers of the graph are not those of the recipe {} in the metadata: they were changed, and are taken from the graph",
        recipe.name
    ));
    notes.extend(factor_note(chain));
    Ok((found, preprocess, classes))
}

/// What is said about factors that became dropout.
fn factor_note(chain: &Chain) -> Option<String> {
    let is_factor =
        |layer: &&FoundLayer| matches!(layer.spec, Spec::Dropout { scale: DropoutScale::Test, .. });
    let count = chain.layers.iter().filter(is_factor).count();
    (count > 0).then(|| {
        format!("factors that became dropout, which multiplies by them in inference as in the paper: {count}")
    })
}
