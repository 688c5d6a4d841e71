//! Every operation as a [`Case`].

use super::{Case, positive, spread};
use alexnet_kernels::activation::Epilogue;
use alexnet_kernels::geometry::{ConvGeometry, FcGeometry, NormGeometry, PoolGeometry};
use alexnet_kernels::precision::Precision;
use alexnet_kernels::real::Real;
use alexnet_kernels::{activation, conv, dropout, fc, local, loss, lrn, map_norm, pool};

/// `len` zeros.
fn zeros<T: Real>(len: usize) -> Vec<T> {
    vec![T::ZERO; len]
}

/// An operation with weights and a bias.
macro_rules! convolution {
    ($case:ident, $kernels:ident $([$precision:expr])?, $weights:ident, $biases:expr $(, $epilogue:expr)?) => {
        #[derive(Clone, Debug)]
        pub struct $case {
            pub g: ConvGeometry,
            pub batch: usize,
        }

        impl Case for $case {
            fn inputs(&self) -> Vec<Vec<f64>> {
                let Self { g, batch } = self;
                let lens = [batch * g.input().len(), g.$weights(), $biases(g), batch * g.output().len()];
                lens.into_iter().zip(1..).map(|(len, seed)| positive(len, seed)).collect()
            }

            fn fast(&self, inputs: &[Vec<f32>]) -> Vec<Vec<f32>> {
                let (Self { g, batch }, [x, w, bias, dy]) = (self, inputs) else { unreachable!() };
                let (mut y, mut dx, mut dw, mut dbias) = (dy.clone(), x.clone(), w.clone(), bias.clone());
                $kernels::forward(g, $($precision,)? *batch, x, w, bias, $($epilogue,)? &mut y);
                $kernels::backward_input(g, $($precision,)? *batch, dy, w, &mut dx);
                $kernels::backward_weights(g, $($precision,)? *batch, x, dy, &mut dw, &mut dbias);
                vec![y, dx, dw, dbias]
            }

            fn reference<T: Real>(&self, inputs: &[Vec<T>]) -> Vec<Vec<T>> {
                use $kernels::reference;
                let (Self { g, batch }, [x, w, bias, dy]) = (self, inputs) else { unreachable!() };
                let (mut y, mut dx, mut dw, mut dbias) = (dy.clone(), x.clone(), w.clone(), bias.clone());
                reference::forward(g, *batch, x, w, bias, &mut y);
                reference::backward_input(g, *batch, dy, w, &mut dx);
                reference::backward_weights(g, *batch, x, dy, &mut dw, &mut dbias);
                vec![y, dx, dw, dbias]
            }
        }
    };
}

convolution!(Conv, conv[Precision::F32], weights, |g: &ConvGeometry| g.output().channels, Epilogue::Identity);
convolution!(
    Bf16Conv,
    conv[Precision::Bf16],
    weights,
    |g: &ConvGeometry| g.output().channels,
    Epilogue::Identity
);
convolution!(Local, local, local_weights, |g: &ConvGeometry| g.output().len());

/// A fully connected layer with operands of a precision.
macro_rules! fully_connected {
    ($case:ident, $precision:expr) => {
        #[derive(Clone, Debug)]
        pub struct $case {
            pub g: FcGeometry,
            pub batch: usize,
        }

        impl $case {
            pub fn new(batch: usize, inputs: usize, outputs: usize) -> Self {
                Self { g: FcGeometry::new(inputs, outputs).unwrap(), batch }
            }
        }

        impl Case for $case {
            fn inputs(&self) -> Vec<Vec<f64>> {
                let Self { g, batch } = self;
                let lens = [batch * g.inputs(), g.weights(), g.outputs(), batch * g.outputs()];
                lens.into_iter().zip(1..).map(|(len, seed)| positive(len, seed)).collect()
            }

            fn fast(&self, slices: &[Vec<f32>]) -> Vec<Vec<f32>> {
                let (Self { g, batch }, [x, w, bias, dy]) = (self, slices) else { unreachable!() };
                let (mut y, mut dx, mut dw, mut dbias) = (dy.clone(), x.clone(), w.clone(), bias.clone());
                fc::forward(g, $precision, *batch, x, w, bias, &mut y);
                fc::backward_input(g, $precision, *batch, dy, w, &mut dx);
                fc::backward_weights(g, $precision, *batch, x, dy, &mut dw, &mut dbias);
                vec![y, dx, dw, dbias]
            }

            fn reference<T: Real>(&self, slices: &[Vec<T>]) -> Vec<Vec<T>> {
                let (Self { g, batch }, [x, w, bias, dy]) = (self, slices) else { unreachable!() };
                let (mut y, mut dx, mut dw, mut dbias) = (dy.clone(), x.clone(), w.clone(), bias.clone());
                fc::reference::forward(g, *batch, x, w, bias, &mut y);
                fc::reference::backward_input(g, *batch, dy, w, &mut dx);
                fc::reference::backward_weights(g, *batch, x, dy, &mut dw, &mut dbias);
                vec![y, dx, dw, dbias]
            }
        }
    };
}

fully_connected!(Fc, Precision::F32);
fully_connected!(Bf16Fc, Precision::Bf16);

#[derive(Clone, Debug)]
pub struct MaxPool {
    pub g: PoolGeometry,
    pub batch: usize,
}

impl Case for MaxPool {
    fn inputs(&self) -> Vec<Vec<f64>> {
        vec![spread(self.batch * self.g.input().len(), 1), spread(self.batch * self.g.output().len(), 2)]
    }

    fn fast(&self, inputs: &[Vec<f32>]) -> Vec<Vec<f32>> {
        let (Self { g, batch }, [x, dy]) = (self, inputs) else { unreachable!() };
        let (mut y, mut dx) = (dy.clone(), x.clone());
        pool::max_forward(g, *batch, x, &mut y);
        pool::max_backward(g, *batch, x, dy, Epilogue::Identity, &mut dx);
        vec![y, dx]
    }

    fn reference<T: Real>(&self, inputs: &[Vec<T>]) -> Vec<Vec<T>> {
        let (Self { g, batch }, [x, dy]) = (self, inputs) else { unreachable!() };
        let (mut y, mut dx) = (dy.clone(), x.clone());
        pool::reference::max_forward(g, *batch, x, &mut y);
        pool::reference::max_backward(g, *batch, x, dy, &mut dx);
        vec![y, dx]
    }
}

#[derive(Clone, Debug)]
pub struct AvgPool {
    pub g: PoolGeometry,
    pub batch: usize,
}

impl Case for AvgPool {
    fn inputs(&self) -> Vec<Vec<f64>> {
        vec![spread(self.batch * self.g.input().len(), 1), spread(self.batch * self.g.output().len(), 2)]
    }

    fn fast(&self, inputs: &[Vec<f32>]) -> Vec<Vec<f32>> {
        let (Self { g, batch }, [x, dy]) = (self, inputs) else { unreachable!() };
        let (mut y, mut dx) = (dy.clone(), x.clone());
        pool::avg_forward(g, *batch, x, &mut y);
        pool::avg_backward(g, *batch, x, dy, Epilogue::Identity, &mut dx);
        vec![y, dx]
    }

    fn reference<T: Real>(&self, inputs: &[Vec<T>]) -> Vec<Vec<T>> {
        let (Self { g, batch }, [x, dy]) = (self, inputs) else { unreachable!() };
        let (mut y, mut dx) = (dy.clone(), x.clone());
        pool::reference::avg_forward(g, *batch, x, &mut y);
        pool::reference::avg_backward(g, *batch, dy, &mut dx);
        vec![y, dx]
    }
}

/// A response normalization.
macro_rules! normalization {
    ($case:ident, $kernels:ident) => {
        #[derive(Clone, Debug)]
        pub struct $case {
            pub g: NormGeometry,
            pub batch: usize,
        }

        impl Case for $case {
            fn inputs(&self) -> Vec<Vec<f64>> {
                let len = self.batch * self.g.maps().len();
                vec![spread(len, 1), spread(len, 2)]
            }

            fn fast(&self, inputs: &[Vec<f32>]) -> Vec<Vec<f32>> {
                let (Self { g, batch }, [x, dy]) = (self, inputs) else { unreachable!() };
                let (mut y, mut dx) = (dy.clone(), x.clone());
                $kernels::forward(g, *batch, x, &mut y);
                $kernels::backward(g, *batch, x, dy, Epilogue::Identity, &mut dx);
                vec![y, dx]
            }

            fn reference<T: Real>(&self, inputs: &[Vec<T>]) -> Vec<Vec<T>> {
                let (Self { g, batch }, [x, dy]) = (self, inputs) else { unreachable!() };
                let (mut y, mut dx) = (dy.clone(), x.clone());
                $kernels::reference::forward(g, *batch, x, &mut y);
                $kernels::reference::backward(g, *batch, x, dy, &mut dx);
                vec![y, dx]
            }
        }
    };
}

normalization!(Lrn, lrn);
normalization!(MapNorm, map_norm);

#[derive(Clone, Copy, Debug)]
pub enum Curve {
    Relu,
    Tanh,
    Logistic,
}

#[derive(Clone, Debug)]
pub struct Activation {
    pub curve: Curve,
    pub len: usize,
}

impl Case for Activation {
    fn inputs(&self) -> Vec<Vec<f64>> {
        vec![spread(self.len, 1), spread(self.len, 2)]
    }

    fn fast(&self, inputs: &[Vec<f32>]) -> Vec<Vec<f32>> {
        let [mut y, mut dx] = [inputs[0].clone(), inputs[1].clone()];
        match self.curve {
            Curve::Relu => (activation::relu(&mut y), activation::relu_backward(&y, &mut dx)),
            Curve::Tanh => (activation::tanh(&mut y), activation::tanh_backward(&y, &mut dx)),
            Curve::Logistic => (activation::logistic(&mut y), activation::logistic_backward(&y, &mut dx)),
        };
        vec![y, dx]
    }

    fn reference<T: Real>(&self, inputs: &[Vec<T>]) -> Vec<Vec<T>> {
        use activation::reference;
        let [mut y, mut dx] = [inputs[0].clone(), inputs[1].clone()];
        match self.curve {
            Curve::Relu => (reference::relu(&mut y), reference::relu_backward(&y, &mut dx)),
            Curve::Tanh => (reference::tanh(&mut y), reference::tanh_backward(&y, &mut dx)),
            Curve::Logistic => (reference::logistic(&mut y), reference::logistic_backward(&y, &mut dx)),
        };
        vec![y, dx]
    }
}

#[derive(Clone, Debug)]
pub struct Dropout {
    pub keys: Vec<u64>,
    pub units: usize,
    pub rate: f32,
    pub scale: f32,
}

impl Case for Dropout {
    fn inputs(&self) -> Vec<Vec<f64>> {
        let len = self.keys.len() * self.units;
        vec![spread(len, 1), spread(len, 2)]
    }

    fn fast(&self, inputs: &[Vec<f32>]) -> Vec<Vec<f32>> {
        let mut outputs = inputs.to_vec();
        for values in &mut outputs {
            dropout::apply(values, self.keys.len(), &self.keys, self.rate, self.scale);
        }
        outputs
    }

    fn reference<T: Real>(&self, inputs: &[Vec<T>]) -> Vec<Vec<T>> {
        let mut outputs = inputs.to_vec();
        for values in &mut outputs {
            let scale = T::from_f64(self.scale.into());
            dropout::reference::apply(values, self.keys.len(), &self.keys, self.rate, scale);
        }
        outputs
    }
}

/// The cross-entropy loss; its `dy` is 1.
#[derive(Clone, Debug)]
pub struct SoftmaxLoss {
    pub labels: Vec<u32>,
    pub classes: usize,
}

impl Case for SoftmaxLoss {
    fn inputs(&self) -> Vec<Vec<f64>> {
        let logits = spread(self.labels.len() * self.classes, 1);
        vec![logits.iter().map(|z| 4.0 * z).collect(), vec![1.0]]
    }

    fn fast(&self, inputs: &[Vec<f32>]) -> Vec<Vec<f32>> {
        let mut dlogits = zeros(inputs[0].len());
        let loss =
            loss::softmax_loss(&inputs[0], &self.labels, self.labels.len(), self.classes, &mut dlogits);
        vec![vec![loss as f32], dlogits]
    }

    fn reference<T: Real>(&self, inputs: &[Vec<T>]) -> Vec<Vec<T>> {
        let mut dlogits = zeros(inputs[0].len());
        let batch = self.labels.len();
        let loss = loss::reference::softmax_loss(&inputs[0], &self.labels, batch, self.classes, &mut dlogits);
        vec![vec![T::from_f64(loss)], dlogits]
    }
}
