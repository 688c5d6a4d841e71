//! Errors of image files as errors of the library.

use alexnet_images::decode::Defect;
use alexnet_images::encode::EncodeError;

use crate::Error;

impl From<Defect> for Error {
    fn from(defect: Defect) -> Self {
        Self::data(defect.message)
    }
}

impl From<EncodeError> for Error {
    fn from(error: EncodeError) -> Self {
        Self::data(error.message)
    }
}
