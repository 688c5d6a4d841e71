//! Models of recipes with made weights, as model files and as ONNX, with views and the logits that this program computes for them:
//! what `benches/interop/with_onnx.py` compares with other programs.
//!
//! ```text
//! onnx make RECIPE DIR          DIR/RECIPE.safetensors and what `export` writes
//! onnx export MODEL DIR         MODEL as ONNX, with every kind of input; squares, views and logits
//! onnx import ONNX VIEWS OUT    the logits of an imported network for views, [N, 3, crop, crop]; OUT with .onnx: exported again
//! ```

use std::path::Path;

use alexnet::data::{Image, Preprocess, View};
use alexnet::engine::{self, Device, Options, Tensor};
use alexnet::interop::Imported;
use alexnet::interop::onnx::{ChannelOrder, GraphInput, OnnxExport, OnnxImport, OnnxInput, read, write};
use alexnet::model::AnyModel;
use alexnet::net::{Mean, Network, Recipe};
use alexnet::{Error, Result};
use alexnet_kernels::hash::combine;

/// Images whose logits are compared.
const IMAGES: usize = 7;

fn main() {
    if let Err(error) = run() {
        eprintln!("error: {error}");
        std::process::exit(i32::from(error.kind.exit_code()));
    }
}

fn run() -> Result<()> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    match args.as_slice() {
        ["make", recipe, folder] => make(recipe, Path::new(folder)),
        ["export", model, folder] => export(Path::new(model), Path::new(folder)),
        ["import", onnx, views, out] => import(Path::new(onnx), Path::new(views), Path::new(out), None),
        ["import", onnx, views, out, "rgb"] => {
            import(Path::new(onnx), Path::new(views), Path::new(out), Some(ChannelOrder::Rgb))
        }
        _ => {
            Err(Error::usage("usage: onnx make RECIPE DIR | export MODEL DIR | import ONNX VIEWS OUT [rgb]"))
        }
    }
}

/// A uniform number from -1 to 1.
fn uniform(seed: u64, at: usize) -> f32 {
    (combine(seed, at as u64) >> 40) as f32 / (1 << 23) as f32 - 1.0
}

fn make(name: &str, folder: &Path) -> Result<()> {
    let recipe = Recipe::load(name)?;
    let network = Network::new(&recipe, recipe.classes)?;
    let mut parameters = Vec::new();
    for (i, layer) in network.layers.iter().enumerate() {
        let Some((weights, biases)) = layer.parameter_shapes() else { continue };
        // Signals keep their size; those of pixels that are not divided by anything shrink to about 1.
        let is_last = i + 1 == network.layers.len();
        let gain = match i {
            0 => recipe.input.divisor.recip().max(1.0 / 64.0),
            _ if is_last => 0.1,
            _ => 1.0,
        };
        let reach = gain * (6.0 / layer.fan_in() as f32).sqrt();
        let values = |shape: &[usize], part: u64, reach: f32| -> Vec<f32> {
            let seed = combine(part, i as u64);
            (0..shape.iter().product()).map(|at| reach * uniform(seed, at)).collect()
        };
        let data = values(&weights, 1, reach);
        parameters.push(Tensor { name: layer.weight_name(), shape: weights, data });
        let data = values(&biases, 2, 0.2);
        parameters.push(Tensor { name: layer.bias_name(), shape: biases, data });
    }
    let square = recipe.input.square;
    let mean = match recipe.input.mean {
        Mean::Image => (0..3 * square * square).map(|at| 120.0 + 20.0 * uniform(3, at)).collect(),
        Mean::Channels => vec![123.675, 116.28, 103.53],
        Mean::Fixed(mean) => mean.to_vec(),
    };
    let preprocess = Preprocess::with_mean(&recipe.input, mean);
    let classes = (0..recipe.classes).map(|class| format!("class {class}")).collect();
    let imported = Imported { recipe, classes, preprocess, parameters, notes: Vec::new() };
    let model = imported.into_model(squares(square, 1), "made weights".to_owned())?;
    let path = folder.join(format!("{name}.safetensors"));
    model.save(&path)?;
    export(&path, folder)
}

/// Squares of blended colors and noise.
fn squares(side: usize, count: usize) -> Vec<Image> {
    let pixel = |image: usize, at: usize| {
        let (channel, x, y) = (at % 3, at / 3 % side, at / 3 / side);
        let wave = ((x + 2 * y * (1 + image)) as f32 / side as f32 + channel as f32).sin();
        (128.0 + 80.0 * wave + 40.0 * uniform(image as u64, at)) as u8
    };
    (0..count)
        .map(|image| Image::new(side, side, (0..3 * side * side).map(|at| pixel(image, at)).collect()))
        .collect()
}

fn export(path: &Path, folder: &Path) -> Result<()> {
    let model = AnyModel::load(path)?;
    let stem = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    let out = |what: &str| folder.join(format!("{stem}{what}"));
    let notes = write(&model, &OnnxExport::default(), &out(".onnx"))?;
    notes.iter().for_each(|note| println!("note: {note}"));
    for (what, input, softmax, opset) in
        [(".crop.onnx", OnnxInput::Crop, true, 13), (".square.onnx", OnnxInput::Square, false, 22)]
    {
        write(&model, &OnnxExport { input, softmax, opset }, &out(what))?;
    }
    let preprocess = model.preprocess();
    let squares = squares(preprocess.square, IMAGES);
    let center = View::center(preprocess.square, preprocess.crop);
    let mut views = vec![0.0; IMAGES * preprocess.view_len()];
    for (square, view) in squares.iter().zip(views.chunks_exact_mut(preprocess.view_len())) {
        preprocess.view(square, center, [0.0; 3], view);
    }
    let mut engine = model.engine_at(IMAGES, 2, None)?;
    let logits = engine.forward(&views)?.to_vec();
    put(&out(".squares.u8"), squares.iter().flat_map(|square| square.pixels.clone()).collect())?;
    put(&out(".views.f32"), bytes(&transposed(&views, [preprocess.crop * preprocess.crop, 3])))?;
    put(&out(".logits.f32"), bytes(&logits))
}

fn import(onnx: &Path, views: &Path, out: &Path, order: Option<ChannelOrder>) -> Result<()> {
    let imported = read(
        onnx,
        &OnnxImport { input: GraphInput { order, ..GraphInput::default() }, ..OnnxImport::default() },
    )?;
    imported.notes.iter().for_each(|note| println!("note: {note}"));
    let network = Network::new(&imported.recipe, imported.classes.len())?;
    let layers: Vec<String> =
        network.layers.iter().map(|layer| format!("{} {}", layer.name, layer.kind())).collect();
    println!("layers: {}", layers.join(", "));
    let stored = std::fs::read(views).map_err(|error| Error::io(views, "read the views", &error))?;
    let stored: Vec<f32> = stored.as_chunks::<4>().0.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect();
    let views = transposed(&stored, [3, network.input.pixels()]);
    let batch = views.len() / network.input.len();
    let mut engine = engine::open(Device::Cpu, network, &Options::inference(batch, 2))?;
    engine.load(&imported.parameters)?;
    put(out, bytes(engine.forward(&views)?))?;
    let square = imported.preprocess.square;
    let model = AnyModel::F32(imported.into_model(squares(square, 1), "imported".to_owned())?);
    write(&model, &OnnxExport::default(), &out.with_extension("onnx")).map(|_| ())
}

/// Each block of `rows` x `columns` values with rows and columns exchanged.
fn transposed(values: &[f32], [rows, columns]: [usize; 2]) -> Vec<f32> {
    let block = |block: &[f32]| -> Vec<f32> {
        (0..rows * columns).map(|at| block[at % rows * columns + at / rows]).collect()
    };
    values.chunks_exact(rows * columns).flat_map(block).collect()
}

fn bytes(values: &[f32]) -> Vec<u8> {
    values.iter().flat_map(|value| value.to_le_bytes()).collect()
}

fn put(path: &Path, bytes: Vec<u8>) -> Result<()> {
    std::fs::write(path, bytes).map_err(|error| Error::io(path, "write the file", &error))
}
