//! Locally connected layers, as this program writes them: the pixels under each window as columns, times a matrix at each position.

use alexnet_kernels::geometry::{ConvGeometry, Window};

use super::array::Size;
use super::problem::Supported;
use super::signal::{FoundLayer, Origin, SignalId, Step, maps_shape};
use super::state::State;
use crate::interop::onnx::export::one_hot;
use crate::net::{ConvSpec, Spec};

impl State<'_> {
    /// The locally connected layer whose last step is this shape, if it is one.
    pub(super) fn locally_connected(&mut self, of: SignalId, shape: &[Size]) -> Supported<Option<SignalId>> {
        let Some((positions, matrices)) = self.products(of) else { return Ok(None) };
        let Origin::Step(Step::Product { of: columns, weights }) = &self.signals[matrices].origin else {
            return Ok(None);
        };
        let Origin::Step(Step::Shifted { by: biases, .. }) = &self.signals[positions].origin else {
            return Ok(None);
        };
        let Some((conv, groups, from)) = self.windows(*columns) else { return Ok(None) };
        let input = self.signals[from].maps;
        let &[pixels, found_groups, outputs, depth] = weights.shape.as_slice() else { return Ok(None) };
        let Some(maps) = outputs.checked_mul(groups) else { return Ok(None) };
        let window = Window {
            kernel: conv.kernel,
            stride: conv.stride,
            pad: conv.pad,
            rounding: conv.rounding.into(),
        };
        let geometry = ConvGeometry::new(input, maps, window, groups).map_err(|error| error.to_string())?;
        let fits = found_groups == groups
            && pixels == geometry.output().pixels()
            && depth == geometry.depth()
            && biases.shape == [pixels, groups, outputs, 1]
            && shape == maps_shape(geometry.output());
        if !fits {
            return Ok(None);
        }
        let spec = Spec::Local(ConvSpec { maps, groups, ..conv });
        let layer = FoundLayer::with(spec, weights.data.clone(), biases.data.to_vec());
        self.tensors.spend(biases.data.len())?;
        Ok(Some(self.add_maps(layer, from, geometry.output())))
    }

    /// The sums and the products of matrices whose positions are the last axis of this signal.
    fn products(&self, of: SignalId) -> Option<(SignalId, SignalId)> {
        let sums = self.exchanged(of)?;
        let Origin::Step(Step::Shifted { of: products, .. }) = &self.signals[sums].origin else {
            return None;
        };
        Some((sums, *products))
    }

    /// What was transposed to `[positions, groups, depth, N]`, or back.
    fn exchanged(&self, id: SignalId) -> Option<SignalId> {
        match &self.signals[id].origin {
            Origin::Step(Step::Transposed { of, order }) if order == &[3, 1, 2, 0] => Some(*of),
            _ => None,
        }
    }

    /// The windows whose pixels these columns are, the number of groups, and what they are windows on.
    fn windows(&self, columns: SignalId) -> Option<(ConvSpec, usize, SignalId)> {
        let view = self.exchanged(columns)?;
        let groups = *self.signals[view].of_image()?.first()?;
        let Origin::View(pixels) = self.signals[view].origin else { return None };
        let Origin::Layer(FoundLayer { spec: Spec::Conv(conv), parameters: Some(parameters) }, from) =
            &self.signals[pixels].origin
        else {
            return None;
        };
        let input = self.signals[*from].maps;
        let area = conv.kernel.checked_mul(conv.kernel)?;
        let selects_pixels = conv.groups == input.channels
            && Some(conv.maps) == input.channels.checked_mul(area)
            && parameters.biases.iter().all(|&bias| bias == 0.0)
            && groups > 0
            && input.channels.is_multiple_of(groups)
            && *parameters.weights == one_hot(input.channels, conv.kernel);
        selects_pixels.then(|| (conv.clone(), groups, *from))
    }
}
