//! Ties, softmax, evaluation compared to a simple implementation, ensembles, and unreadable images.

use std::path::{Path, PathBuf};

use super::classify::{Outcome, classify, decode, images};
use super::topk::{add_softmax, rank, top};
use super::*;
use crate::data::{Dataset, Image, ImageRef, Split};
use crate::error::Kind;
use crate::model::tests::{model, noise};
use crate::net::{Orientation, Views};

#[test]
fn ties_are_broken_by_index() {
    let scores = [0.1, 0.4, 0.4, 0.1];
    assert_eq!([0, 1, 2, 3].map(|class| rank(&scores, class)), [2, 0, 1, 3]);
    assert_eq!(top(&scores, 3), [(1, 0.4), (2, 0.4), (0, 0.1)]);
    assert_eq!(top(&scores, 9).len(), 4);
    assert_eq!([0, 1].map(|class| rank(&[0.0; 7], class)), [0, 1]);
}

#[test]
fn nan_ranks_last() {
    let scores = [f64::NAN, 0.2, f64::NAN];
    assert_eq!([0, 1, 2].map(|class| rank(&scores, class)), [3, 0, 3]);
    assert_eq!(top(&scores, 1), [(1, 0.2)]);
}

#[test]
fn softmax_does_not_overflow_and_sums_to_one() {
    let mut sum = [0.0; 3];
    add_softmax(&[1000.0, 1000.0, -1000.0], 0.5, &mut sum);
    add_softmax(&[-1e30, -1e30, -1e30], 0.5, &mut sum);
    let third = 0.5 / 3.0;
    for (value, expected) in sum.iter().zip([0.25 + third, 0.25 + third, third]) {
        assert!((value - expected).abs() < 1e-12, "{sum:?}");
    }
}

/// Creates a folder with three classes of four 9 x 7 images each, and a file that is not an image.
fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (c, class) in model().classes.iter().enumerate() {
        std::fs::create_dir(folder.path().join(class)).unwrap();
        for i in 0..4 {
            write_png(&folder.path().join(class).join(format!("{i}.png")), 10 * c + i);
        }
    }
    std::fs::write(folder.path().join("cat/broken.jpg"), b"\xff\xd8\xff\xe0 and no more").unwrap();
    folder
}

fn write_png(path: &Path, salt: usize) {
    let pixels: Vec<u8> = noise(9 * 7 * 3, salt).map(|v| (v * 255.0 + 127.5) as u8).collect();
    image::save_buffer(path, &pixels, 9, 7, image::ColorType::Rgb8).unwrap();
}

/// Saves the model in `folder`, with weights multiplied by `scale`, and loads it.
fn predictor(folder: &Path, scale: f32, batch: usize) -> Predictor {
    let mut model = model();
    model.parameters[0].data.iter_mut().for_each(|weight| *weight *= scale);
    let mut engine = engine(&model);
    model.golden =
        crate::model::Golden::record(&mut *engine, &model.preprocess, model.golden.images).unwrap();
    let path = folder.join(format!("model-{scale}.safetensors"));
    model.save(&path).unwrap();
    Predictor::load(&path, &PredictorOptions { batch, threads: 1, ..PredictorOptions::default() }).unwrap()
}

fn engine(model: &crate::model::Model) -> Box<dyn crate::engine::Engine> {
    use crate::engine::{Device, Options, open};
    let mut engine = open(Device::Cpu, model.network().unwrap(), &Options::inference(2, 1)).unwrap();
    engine.load(&model.parameters).unwrap();
    engine
}

fn all(folder: &Path) -> Split {
    Dataset::open(folder).unwrap().split("all").unwrap().clone()
}

fn run(model: &mut Predictor, split: &Split, views: Views, workers: usize) -> Evaluation {
    evaluate(model.members[0].classifier(), split, views, workers, &mut |_| Ok(())).unwrap()
}

#[test]
fn evaluation_agrees_with_single_images() {
    let (data, models) = (folder(), tempfile::tempdir().unwrap());
    let split = all(data.path());
    let mut one = predictor(models.path(), 1.0, 8);
    for views in [Views::Center, Views::Ten] {
        let found = run(&mut one, &split, views, 0);
        let (mut top1, mut loss, mut images) = (0, 0.0, 0);
        for i in 0..split.len() {
            let Ok(image): Result<Image, _> = split.image(i).unwrap() else { continue };
            let probabilities = one.probabilities(&image, views).unwrap();
            assert!((probabilities.iter().sum::<f64>() - 1.0).abs() < 1e-12);
            images += 1;
            top1 += usize::from(rank(&probabilities, split.label(i) as usize) == 0);
            loss -= probabilities[split.label(i) as usize].ln();
        }
        assert_eq!((found.images, found.top1, found.top5), (12, top1, 12));
        assert_eq!(images, 12);
        assert!(close(found.loss, loss / 12.0), "{} {}", found.loss, loss / 12.0);
        assert_eq!(found.skipped.len(), 1);
        assert!(found.skipped[0].file.contains("broken.jpg"));
        assert_eq!(found.top5_share(), 1.0);
    }
}

#[test]
fn files_are_decoded_in_order() {
    let data = folder();
    let mut files: Vec<PathBuf> = (0..4).map(|i| data.path().join(format!("cat/{i}.png"))).collect();
    files.insert(2, data.path().join("cat/broken.jpg"));
    for threads in [1, 3] {
        let decoded = decode(&files, Orientation::Exif, threads);
        for (file, image) in files.iter().zip(&decoded) {
            match file.ends_with("broken.jpg") {
                true => assert!(image.as_ref().unwrap_err().message.contains("broken.jpg: ")),
                false => {
                    let bytes = std::fs::read(file).unwrap();
                    assert_eq!(*image, crate::data::upright::decode(&bytes, Orientation::Exif));
                }
            }
        }
    }
}

/// Images of any size, in batches that do not divide their number, with threads for the views.
#[test]
fn several_images_have_the_probabilities_and_activations_of_each() {
    let models = tempfile::tempdir().unwrap();
    let mut one = predictor(models.path(), 1.0, 12);
    let (side, crop) = (one.members[0].preprocess.square, one.members[0].preprocess.crop);
    let sizes = [(side, side), (9, 7), (side, side), (side, 30), (1, 1)];
    let images: Vec<Image> = sizes
        .iter()
        .enumerate()
        .map(|(i, &(w, h))| {
            Image::new(w, h, noise(3 * w * h, i).map(|v| (v * 255.0 + 127.5) as u8).collect())
        })
        .collect();
    let all: Vec<ImageRef<'_>> = images.iter().map(ImageRef::from).collect();
    for views in [Views::Center, Views::Ten] {
        let found = one.probabilities_of_images(&all, views).unwrap();
        let expected = images.iter().flat_map(|image| one.probabilities(image, views).unwrap());
        let expected: Vec<f64> = expected.collect();
        assert_eq!(found.len(), images.len() * one.classes.len());
        assert!(found.iter().zip(&expected).all(|(&a, &b)| close(a, b)), "{found:?} {expected:?}");
    }
    assert!(one.probabilities_of_images(&[], Views::Center).unwrap().is_empty());

    let member = &mut one.members[0];
    let layer = member.engine().network().layers[0].name.clone();
    let tensors = member.activations(&all, &[&layer]).unwrap();
    assert_eq!((tensors.len(), tensors[0].shape[0]), (1, images.len()));
    assert!(crop <= side && tensors[0].shape.iter().product::<usize>() == tensors[0].data.len());
    let len = tensors[0].data.len() / images.len();
    for (image, row) in all.iter().zip(tensors[0].data.chunks_exact(len)) {
        let single = member.activations(&[*image], &[&layer]).unwrap();
        assert!(single[0].data.iter().zip(row).all(|(&a, &b)| close(a.into(), b.into())));
    }
    assert!(member.activations(&[], &[&layer]).unwrap_err().message.contains("expected at least 1"));
}

#[test]
fn results_do_not_depend_on_workers_or_batch() {
    let (data, models) = (folder(), tempfile::tempdir().unwrap());
    let split = all(data.path());
    let at = |batch, workers| run(&mut predictor(models.path(), 1.0, batch), &split, Views::Ten, workers);
    let expected = at(30, 0);
    assert_eq!([at(30, 1), at(30, 3)], [expected.clone(), expected.clone()]);
    // The kernels sum in another order at another batch size.
    for batch in [1, 7, 10] {
        let found = at(batch, 2);
        assert!(close(found.loss, expected.loss), "{} {}", found.loss, expected.loss);
        assert_eq!(Evaluation { loss: 0.0, ..found }, Evaluation { loss: 0.0, ..expected.clone() });
    }
}

/// Equal up to rounding of 32-bit sums.
fn close(a: f64, b: f64) -> bool {
    (a - b).abs() < 1e-6 * b.abs()
}

/// Models trained on upright photos evaluate and classify a rotated photo like its upright copy; models of earlier versions
/// use it as stored.
#[test]
fn photos_are_rotated_for_models_trained_on_upright_photos() {
    let models = tempfile::tempdir().unwrap();
    let data = tempfile::tempdir().unwrap();
    let mut upright = Vec::new();
    for class in &model().classes {
        std::fs::create_dir(data.path().join(class)).unwrap();
        let pixels: Vec<u8> = noise(9 * 7 * 3, class.len()).map(|v| (v * 255.0 + 127.5) as u8).collect();
        // Orientation 6: the stored rows are the upright image's columns, from the right.
        let at = |x: usize, y: usize| pixels[3 * (y * 9 + x)..][..3].to_vec();
        let stored: Vec<u8> = (0..9)
            .flat_map(|row| (0..7).flat_map(move |y| [(8 - row, y)]))
            .flat_map(|(x, y)| at(x, y))
            .collect();
        let path = data.path().join(class).join("0.png");
        image::save_buffer(&path, &stored, 7, 9, image::ColorType::Rgb8).unwrap();
        let bytes = std::fs::read(&path).unwrap();
        let tiff = b"MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\0\0\0\0";
        let mut crc = flate2::Crc::new();
        crc.update(b"eXIf");
        crc.update(tiff);
        let chunk =
            [&(tiff.len() as u32).to_be_bytes()[..], b"eXIf", tiff, &crc.sum().to_be_bytes()].concat();
        std::fs::write(&path, [&bytes[..33], &chunk, &bytes[33..]].concat()).unwrap();
        upright.push((path, Image::new(9, 7, pixels), Image::new(7, 9, stored)));
    }
    let split = all(data.path());
    let mut exif = model();
    exif.recipe.input.orientation = Orientation::Exif;
    exif.preprocess.orientation = Orientation::Exif;
    let path = models.path().join("exif.safetensors");
    exif.save(&path).unwrap();
    let mut exif =
        Predictor::load(&path, &PredictorOptions { batch: 4, threads: 1, ..PredictorOptions::default() })
            .unwrap();
    let mut stored = predictor(models.path(), 1.0, 4);
    for (predictor, is_upright) in [(&mut exif, true), (&mut stored, false)] {
        let mut loss = 0.0;
        for (index, (path, rotated, stored_image)) in upright.iter().enumerate() {
            let image = if is_upright { rotated } else { stored_image };
            let expected = predictor.probabilities(image, Views::Center).unwrap();
            let found = classify(predictor, path, Views::Center, 3);
            let Outcome::Predictions(found) = found.outcome else { panic!("{found:?}") };
            let best: Vec<f64> = top(&expected, 3).into_iter().map(|(_, share)| share).collect();
            assert_eq!(found.iter().map(|p| p.probability).collect::<Vec<_>>(), best);
            loss -= expected[split.label(index) as usize].ln();
        }
        let found = run(predictor, &split, Views::Center, 1);
        assert!(close(found.loss, loss / 3.0), "{} {}", found.loss, loss / 3.0);
    }
    // The models differ in their answers.
    assert!(!close(
        run(&mut exif, &split, Views::Center, 0).loss,
        run(&mut stored, &split, Views::Center, 0).loss
    ));
    let mut odd = model();
    odd.preprocess.orientation = Orientation::Exif;
    let error = odd.save(models.path().join("odd.safetensors")).unwrap_err();
    assert!(error.message.contains("orientation is \"exif\", expected \"stored\""), "{error}");
}

#[test]
fn an_ensemble_averages_probabilities() {
    let (data, models) = (folder(), tempfile::tempdir().unwrap());
    let split = all(data.path());
    let mut members = [predictor(models.path(), 1.0, 4), predictor(models.path(), -0.5, 6)];
    let mut loss = 0.0;
    for i in 0..split.len() {
        let Ok(image) = split.image(i).unwrap() else { continue };
        let [a, b] = members.each_mut().map(|m| m.probabilities(&image, Views::Center).unwrap());
        let label = split.label(i) as usize;
        loss -= ((a[label] + b[label]) / 2.0).ln();
    }
    same_classes(&members).unwrap();
    let mut classifiers: Vec<Classifier<'_>> = members.iter_mut().flat_map(Predictor::classifiers).collect();
    let found = ensemble(&mut classifiers, &split, Views::Center, 1, &mut |_| Ok(())).unwrap();
    assert!(close(found.loss, loss / 12.0), "{} {}", found.loss, loss / 12.0);
    assert_eq!((found.images, found.skipped.len()), (12, 1));
}

#[test]
fn mismatched_classes_are_refused() {
    let (data, models) = (folder(), tempfile::tempdir().unwrap());
    let mut members = [predictor(models.path(), 1.0, 4), predictor(models.path(), 2.0, 4)];
    members[1].classes.swap(0, 2);
    let error = same_classes(&members).unwrap_err();
    assert!(
        error.message.contains("class 0 is \"cat\" in") && error.message.contains("\"größe\""),
        "{error}"
    );
    let stopped =
        evaluate(members[0].members[0].classifier(), &all(data.path()), Views::Center, 0, &mut |done| {
            Err(crate::Error::new(Kind::Runtime, format!("stopped after {done}")))
        });
    assert_eq!(stopped.unwrap_err().message, "stopped after 4");
    assert_eq!(
        ensemble(&mut [], &all(data.path()), Views::Center, 0, &mut |_| Ok(())).unwrap_err().kind,
        Kind::Usage
    );
    std::fs::create_dir(data.path().join("zebra")).unwrap();
    write_png(&data.path().join("zebra/0.png"), 1);
    let error =
        evaluate(members[0].members[0].classifier(), &all(data.path()), Views::Center, 0, &mut |_| Ok(()))
            .unwrap_err();
    assert_eq!(error.kind, Kind::Data);
    assert!(error.message.contains("zebra/0.png"), "{error}");
}

#[test]
fn an_unreadable_image_does_not_stop_the_others() {
    let (data, models) = (folder(), tempfile::tempdir().unwrap());
    let mut model = predictor(models.path(), 1.0, 4);
    let (cats, empty) = (data.path().join("cat"), models.path().to_path_buf());
    // Files that are not images are skipped in folders.
    std::fs::write(cats.join("._0.png"), "resource fork").unwrap();
    std::fs::write(cats.join("notes.txt"), "a text").unwrap();
    let mut notes = Vec::new();
    let names = images(&[cats, "/nowhere.png".into(), empty], &mut |note| notes.push(note));
    assert_eq!(names.len(), 4 + 1 + 1 + 1);
    let notes = notes.join("\n");
    assert!(
        notes.contains("1 hidden or system file") && notes.contains("1 file that is not an image"),
        "{notes}"
    );
    let found: Vec<_> = names.iter().map(|name| classify(&mut model, name, Views::Ten, 2)).collect();
    let failed: Vec<bool> = found.iter().map(|c| matches!(c.outcome, Outcome::Error(_))).collect();
    assert_eq!(failed, [false, false, false, false, true, true, true]);
    let Outcome::Predictions(first) = &found[0].outcome else { panic!() };
    assert_eq!(first.len(), 2);
    assert!(first[0].probability >= first[1].probability);
    let json = serde_json::to_value(&found).unwrap();
    assert!(json[0]["predictions"][0]["label"].is_string() && json[4]["error"].is_string(), "{json}");
}

#[test]
fn a_run_folder_stands_for_its_best_model() {
    let folder = tempfile::tempdir().unwrap();
    let error = model_path(folder.path()).unwrap_err();
    assert!(error.message.contains("neither best.safetensors nor last.safetensors"), "{error}");
    let last = folder.path().join("last.safetensors");
    std::fs::write(&last, b"").unwrap();
    assert_eq!(model_path(folder.path()).unwrap(), last);
    let best = folder.path().join("best.safetensors");
    std::fs::write(&best, b"").unwrap();
    assert_eq!(model_path(folder.path()).unwrap(), best);
    assert_eq!(model_path(&best).unwrap(), best);
    assert_eq!(model_path(&PathBuf::from("/nowhere")).unwrap_err().kind, Kind::Model);
    // The folder of the run, and a run with a similar name.
    let help = |path: &Path| model_path(path).unwrap_err().help.unwrap();
    let runs = tempfile::tempdir().unwrap();
    let clothes = runs.path().join("clothes");
    std::fs::create_dir(&clothes).unwrap();
    std::fs::write(clothes.join("best.safetensors"), b"").unwrap();
    assert_eq!(help(runs.path()), format!("specify one of the runs in it: {}", clothes.display()));
    assert_eq!(help(&runs.path().join("cloths")), format!("did you mean `{}`?", clothes.display()));
    assert!(help(&runs.path().join("xyz")).contains("specify a model file or a run folder"));
}

#[test]
fn the_best_class_is_the_first_of_the_top() {
    let nan = f64::NAN;
    for scores in [&[0.1, 0.4, 0.4, 0.1][..], &[nan, 0.2, nan], &[0.3, nan], &[nan, nan], &[0.5]] {
        assert_eq!(topk::best(scores), top(scores, 1)[0].0, "{scores:?}");
    }
}

/// The shares of several processes are combined in the order of the split, so that their results are those of one process.
#[test]
fn several_processes_return_the_results_of_one() {
    use crate::parallel::threads::ThreadTransport;
    use crate::parallel::traffic::Payload;
    use crate::parallel::transport::{Lane, Transport};

    let (data, models) = (folder(), tempfile::tempdir().unwrap());
    // It would move the others to other batches.
    std::fs::remove_file(data.path().join("cat/broken.jpg")).unwrap();
    let split = all(data.path());
    let results = |ranks: usize| -> Vec<ImageResults> {
        std::thread::scope(|scope| {
            let transports = ThreadTransport::job(ranks);
            let run = |transport| {
                let (split, mut model) = (&split, predictor(models.path(), 1.0, 2));
                scope.spawn(move || {
                    let transport: std::sync::Arc<dyn Transport> = std::sync::Arc::new(transport);
                    let world = crate::parallel::Collective::world(
                        &transport,
                        Lane::Main,
                        Payload::Control,
                        &std::sync::Arc::default(),
                    );
                    let (part, keep) = (Part::alone(&world), Keep::Probabilities);
                    let mut models: Vec<_> = model.classifiers().collect();
                    results_shared(&mut models, split, Views::Center, 0, part, keep, &mut |_| Ok(()))
                        .unwrap()
                        .unwrap()
                })
            };
            let running: Vec<_> = transports.into_iter().map(run).collect();
            running.into_iter().map(|rank| rank.join().unwrap()).collect()
        })
    };
    let one = &results(1)[0];
    assert_eq!(one.images.iter().map(|image| image.index).collect::<Vec<_>>(), (0..12).collect::<Vec<_>>());
    let logarithms = one.log_probabilities.as_ref().unwrap();
    for (image, logarithms) in one.images.iter().zip(logarithms.chunks_exact(3)) {
        // The logarithms are rounded to single precision.
        assert!((f64::from(-logarithms[image.label]) - image.loss).abs() < 1e-6 * (1.0 + image.loss));
        assert!((f64::from(logarithms[image.predicted]).exp() - image.confidence).abs() < 1e-6);
        assert_eq!(image.is_correct(), image.label == image.predicted);
    }
    for ranks in [2, 3, 7] {
        for found in results(ranks) {
            assert_eq!(&found, one);
        }
    }
    let mut model = predictor(models.path(), 1.0, 2);
    assert_eq!(one.total(), run(&mut model, &split, Views::Center, 0));
}
