//! Images in memory: splits, names, and what is refused.

use super::*;
use crate::data::Identity;

fn classes(names: &[&str]) -> Vec<String> {
    names.iter().map(ToString::to_string).collect()
}

/// 30 images of 2 x 1 pixels, of three classes.
fn array(values: PixelValues) -> ImageArray {
    let channels = if values == PixelValues::Rgb { 3 } else { 1 };
    let pixels = (0..30 * 2 * channels).map(|i| (i * 7 % 251) as u8).collect();
    ImageArray { width: 2, height: 1, values, pixels, labels: (0..30).map(|i| i % 3).collect() }
}

#[test]
fn pixels_are_those_of_the_array() {
    for (values, first) in
        [(PixelValues::Gray, [0, 0, 0, 7, 7, 7]), (PixelValues::Rgb, [0, 7, 14, 21, 28, 35])]
    {
        let dataset =
            Dataset::from_arrays(classes(&["a", "b", "c"]), vec![("train", array(values))]).unwrap();
        let train = dataset.train().unwrap();
        assert_eq!(train.image(0).unwrap().unwrap().pixels, first);
        assert_eq!((0..4).map(|i| train.label(i)).collect::<Vec<u32>>(), [0, 1, 2, 0]);
        assert!(dataset.val().is_none());
    }
}

#[test]
fn a_tenth_of_each_class_is_held_out() {
    let dataset = Dataset::from_array(classes(&["a", "b", "c"]), array(PixelValues::Rgb)).unwrap();
    let count = |name: &str| dataset.split(name).unwrap().len();
    assert_eq!([count("train"), count("val"), count("all")], [27, 3, 30]);
    let val = dataset.val().unwrap();
    assert_eq!((0..3).map(|i| val.label(i)).collect::<BTreeSet<u32>>().len(), 3);
    let held_out = "3 of 30 images are held out, one in 10 of each class, at least one";
    assert!(dataset.notes[0].ends_with(held_out), "{:?}", dataset.notes);
}

/// Images in memory have no path for a command.
#[test]
fn help_names_no_path() {
    let val = vec![("val", array(PixelValues::Gray))];
    let error = Dataset::from_arrays(classes(&["a", "b", "c"]), val).unwrap().train().unwrap_err();
    assert_eq!(error.help.as_deref(), Some("to train, pass images of a split `train` too"));
}

#[test]
fn other_pixels_are_another_dataset() {
    let dataset = |array| Dataset::from_arrays(classes(&["a", "b", "c"]), vec![("train", array)]).unwrap();
    let mut other = array(PixelValues::Gray);
    other.pixels[17] ^= 1;
    let [first, same, other] = [array(PixelValues::Gray), array(PixelValues::Gray), other]
        .map(|array| Identity::of(&dataset(array)));
    assert_eq!(first.difference(&same), None);
    assert!(first.difference(&other).unwrap().contains("names or labels differ"));
}

#[test]
fn what_does_not_fit_is_refused() {
    let one = |change: &dyn Fn(&mut ImageArray)| {
        let mut array = array(PixelValues::Gray);
        change(&mut array);
        Dataset::from_array(classes(&["a", "b", "c"]), array).unwrap_err().message
    };
    for (message, expected) in [
        (one(&|array| array.labels[4] = 3), "image 4 has label 3, expected 0 to 2"),
        (one(&|array| array.width = 3), "60 values, expected 3 for each of 30 labels"),
        (one(&|array| (array.width, array.height) = (usize::MAX, 2)), "expected at least one image"),
        (one(&|array| array.height = 0), "2 x 0 pixels"),
        (one(&|array| array.labels.clear()), "0 images"),
    ] {
        assert!(message.contains(expected), "{message}");
    }
    for (names, expected) in [(vec!["a", "b", "a"], "class `a` occurs twice"), (vec![], "no class names")] {
        let error = Dataset::from_array(classes(&names), array(PixelValues::Gray)).unwrap_err();
        assert!(error.message.contains(expected), "{error}");
    }
    for names in [["train", "train"], ["train", "all"]] {
        let arrays = names.map(|name| (name, array(PixelValues::Gray))).to_vec();
        let error = Dataset::from_arrays(classes(&["a", "b", "c"]), arrays).unwrap_err();
        assert!(error.message.contains("expected each of train, val, test once"), "{error}");
    }
}
