//! Reads the files of quantized models.

use std::collections::HashSet;

use alexnet_kernels::int8::Algorithm;
use safetensors::Dtype;

use super::contents::QuantizedModel;
use super::header::{Entry, EntryForm, Header, values};
use super::write::transformed_shape;
use crate::engine::{FloatWeights, IntegerWeights, QuantizedLayer, QuantizedNetwork, WinogradWeights};
use crate::model::parts::{self, File, Layers, OTHER_TENSORS, Rest};
use crate::net::Layer;
use crate::{Error, Result};

/// Reads a quantized model. Every part is checked, alone and against the others.
pub(in crate::model) fn read(file: &File<'_>) -> Result<QuantizedModel> {
    let layers = file.layers()?;
    let header: Header = file.metadata.json("layers")?;
    let network = network(&file.tensors, header, &layers)?;
    let Rest { preprocess, golden, summary } = file.rest(&layers)?;
    let Layers { recipe, classes, .. } = layers;
    Ok(QuantizedModel { recipe, classes, preprocess, network, summary, golden })
}

fn network(file: &parts::Tensors<'_>, header: Header, layers: &Layers) -> Result<QuantizedNetwork> {
    let network = layers.network.clone();
    let expected: Vec<&str> = network.layers.iter().map(|layer| layer.name.as_str()).collect();
    let found: Vec<&str> = header.layers.iter().map(|entry| entry.layer.as_str()).collect();
    if found != expected {
        return Err(Error::model(format!(
            "metadata `layers` has the layers {}, expected {}, as in the recipe",
            found.join(", "),
            expected.join(", ")
        )));
    }
    let mut tensors = Tensors { file, read: OTHER_TENSORS.map(str::to_owned).into() };
    let forms = network.layers.iter().zip(header.layers);
    let forms = forms.map(|(layer, entry)| tensors.layer(layer, entry)).collect::<Result<Vec<_>>>()?;
    tensors.check_all_read()?;
    let quantized = QuantizedNetwork { network, input: values(header.input), layers: forms };
    quantized.outputs()?;
    Ok(quantized)
}

/// The tensors of a file, and which of them were read.
struct Tensors<'a> {
    file: &'a parts::Tensors<'a>,
    read: HashSet<String>,
}

impl Tensors<'_> {
    fn layer(&mut self, layer: &Layer, Entry { form, .. }: Entry) -> Result<QuantizedLayer> {
        let (shape, bias_shape) = layer.parameter_shapes().unwrap_or_default();
        let channels = [layer.output.channels];
        Ok(match form {
            EntryForm::Int8 { output } => {
                let weights = IntegerWeights {
                    weights: self.integers(layer, "weight", &shape)?,
                    scales: self.floats(layer, "weight_scale", &channels)?,
                    biases: self.floats(layer, "bias", &channels)?,
                };
                QuantizedLayer::Direct(weights, values(output))
            }
            EntryForm::Winograd { algorithm, output } => {
                let Some(algorithm) = Algorithm::from_name(&algorithm) else {
                    return Err(Error::model(format!(
                        "layer `{}`: unknown algorithm {algorithm:?}",
                        layer.name
                    ))
                    .help("use the version of the program that saved the model, or a newer one"));
                };
                let elements = algorithm.elements();
                let weights = WinogradWeights {
                    algorithm,
                    weights: self.integers(layer, "winograd", &transformed_shape(layer, algorithm))?,
                    scales: self.floats(layer, "weight_scale", &[elements, channels[0]])?,
                    input_scales: self.floats(layer, "input_scale", &[elements])?,
                    biases: self.floats(layer, "bias", &channels)?,
                };
                QuantizedLayer::Winograd(weights, values(output))
            }
            EntryForm::Lrn { output } => QuantizedLayer::Lrn(output.into()),
            EntryForm::MaxPool => QuantizedLayer::MaxPool,
            EntryForm::Fused => QuantizedLayer::Absorbed,
            EntryForm::Table { output } => {
                let bytes = self.array(layer, "table", Dtype::U8, &[256])?;
                let table: [u8; 256] = bytes.try_into().expect("256 bytes of this shape");
                QuantizedLayer::Table(Box::new(table), output.into())
            }
            EntryForm::F32 { output } => {
                let parameters = match layer.parameter_shapes() {
                    Some(_) => Some(FloatWeights {
                        weights: self.floats(layer, "weight", &shape)?,
                        biases: self.floats(layer, "bias", &bias_shape)?,
                    }),
                    None => None,
                };
                QuantizedLayer::Floats(parameters, values(output))
            }
        })
    }

    fn integers(&mut self, layer: &Layer, what: &str, shape: &[usize]) -> Result<Vec<i8>> {
        let bytes = self.array(layer, what, Dtype::I8, shape)?;
        Ok(bytes.iter().map(|&byte| i8::from_le_bytes([byte])).collect())
    }

    fn floats(&mut self, layer: &Layer, what: &str, shape: &[usize]) -> Result<Vec<f32>> {
        let name = format!("{}.{what}", layer.name);
        let (found, floats) = self.file.floats(&name)?;
        check_shape(&name, &found, shape)?;
        self.read.insert(name);
        Ok(floats)
    }

    fn array(&mut self, layer: &Layer, what: &str, dtype: Dtype, shape: &[usize]) -> Result<&[u8]> {
        let name = format!("{}.{what}", layer.name);
        let (found, bytes) = self.file.array(&name, dtype)?;
        check_shape(&name, &found, shape)?;
        self.read.insert(name);
        Ok(bytes)
    }

    fn check_all_read(&self) -> Result<()> {
        let names = self.file.shapes().into_iter().map(|(name, _)| name);
        match names.filter(|name| !self.read.contains(*name)).min() {
            Some(extra) => Err(Error::model(format!("tensor `{extra}` does not belong to any layer"))),
            None => Ok(()),
        }
    }
}

fn check_shape(name: &str, found: &[usize], expected: &[usize]) -> Result<()> {
    match found == expected {
        true => Ok(()),
        false => Err(Error::model(format!("tensor `{name}` has shape {found:?}, expected {expected:?}"))),
    }
}
