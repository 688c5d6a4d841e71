//! Random chains of layers that other programs' formats can hold.

use alexnet::net::{
    ConvSpec, DropoutScale, LayerSpec, Network, PoolSpec, Recipe, RoundingSpec, Spec, WeightSpec,
};
use proptest::prelude::*;

use super::every_layer;

/// Recipes of two convolutions, up to four layers of other kinds between them, and a fully connected layer.
pub(crate) fn recipe() -> impl Strategy<Value = Recipe> {
    let chain = (conv(), prop::collection::vec(other(), 0..5), conv());
    let recipe = (chain, 5usize..24, 0usize..3).prop_map(|((mut first, others, second), crop, border)| {
        let mut recipe = every_layer();
        (recipe.input.square, recipe.input.crop) = (crop + border, crop);
        // The image has one column.
        first.groups = 1;
        let last = Spec::Fc { units: None, weights: WeightSpec::default() };
        let specs = [Spec::Conv(first)].into_iter().chain(others).chain([Spec::Conv(second), last]);
        let layer = |(i, spec)| LayerSpec { name: format!("layer{i}"), spec };
        recipe.layers = specs.enumerate().map(layer).collect();
        recipe
    });
    recipe.prop_filter("layers that fit each other", |recipe| Network::new(recipe, 3).is_ok())
}

fn rounding() -> impl Strategy<Value = RoundingSpec> {
    prop_oneof![Just(RoundingSpec::Up), Just(RoundingSpec::Down)]
}

fn conv() -> impl Strategy<Value = ConvSpec> {
    (1usize..4, 1usize..6, 1usize..4, 0usize..3, 1usize..3, rounding()).prop_map(
        |(maps, kernel, stride, pad, groups, rounding)| {
            let weights = WeightSpec::default();
            ConvSpec { maps: 2 * maps, kernel, stride, pad, groups, rounding, weights }
        },
    )
}

fn other() -> impl Strategy<Value = Spec> {
    prop_oneof![
        Just(Spec::Relu {}),
        Just(Spec::Tanh {}),
        Just(Spec::Logistic {}),
        (0usize..3, any::<bool>(), 1usize..3, 0.5f64..3.0).prop_map(|(reach, alpha_over_size, groups, k)| {
            Spec::Lrn { size: 2 * reach + 1, alpha: 0.01, beta: 0.75, k, alpha_over_size, groups }
        }),
        (0usize..3).prop_map(|reach| Spec::MapNorm { size: 2 * reach + 1, alpha: 0.03, beta: 0.5 }),
        (1usize..4, 1usize..4, 0usize..3, rounding()).prop_map(|(kernel, stride, pad, rounding)| {
            Spec::MaxPool(PoolSpec { kernel, stride, pad, rounding })
        }),
        (1usize..4, 1usize..4, rounding()).prop_map(|(kernel, stride, rounding)| {
            Spec::AvgPool(PoolSpec { kernel, stride, pad: 0, rounding })
        }),
        (0.0f32..0.9, any::<bool>()).prop_map(|(rate, test)| {
            Spec::Dropout { rate, scale: if test { DropoutScale::Test } else { DropoutScale::Train } }
        }),
    ]
}
