//! The views of an image whose probabilities are averaged.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{Error, Result};

/// The views of an image whose probabilities are averaged. Recipes and files contain their number, 1 or 10.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "usize", into = "usize")]
pub enum Views {
    /// The center.
    Center,
    /// Corners and center, and their mirror images (paper, section 4.1).
    Ten,
}

impl Views {
    /// Returns the number of views.
    pub const fn count(self) -> usize {
        match self {
            Self::Center => 1,
            Self::Ten => 10,
        }
    }
}

impl TryFrom<usize> for Views {
    type Error = Error;

    /// # Errors
    /// Returns a usage error if the number is neither 1 nor 10.
    fn try_from(count: usize) -> Result<Self> {
        match count {
            1 => Ok(Self::Center),
            10 => Ok(Self::Ten),
            _ => Err(Error::usage(format!("{count} views: expected 1 or 10"))),
        }
    }
}

impl From<Views> for usize {
    fn from(views: Views) -> Self {
        views.count()
    }
}

impl fmt::Display for Views {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Center => "1 view",
            Self::Ten => "10 views",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_one_and_ten_are_numbers_of_views() {
        for views in [Views::Center, Views::Ten] {
            assert_eq!(Views::try_from(views.count()).unwrap(), views);
            let json = serde_json::to_string(&views).unwrap();
            assert_eq!(json, views.count().to_string());
            assert_eq!(serde_json::from_str::<Views>(&json).unwrap(), views);
        }
        for count in [0, 2, 9, 11, usize::MAX] {
            let error = Views::try_from(count).unwrap_err();
            assert_eq!(error.message, format!("{count} views: expected 1 or 10"));
            assert!(serde_json::from_str::<Views>(&count.to_string()).is_err());
        }
        assert_eq!([Views::Center, Views::Ten].map(|views| views.to_string()), ["1 view", "10 views"]);
    }
}
