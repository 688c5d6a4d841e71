//! `alexnet bench`.

use crate::support::{run, run_json};

#[test]
fn speed_is_measured() {
    let (value, _) = run_json(&["bench", "--recipe", "small", "--batch", "2", "--threads", "1", "--json"], 0);
    for field in
        ["train_images_per_second", "infer_images_per_second", "peak_gflops", "train_gflops", "infer_gflops"]
    {
        assert!(value[field].as_f64().unwrap() > 0.0, "{value}");
    }
    assert_eq!(
        (&value["recipe"], &value["batch"], &value["threads"]),
        (&"small".into(), &2.into(), &1.into())
    );
    assert!(run(&["bench", "--recipe", "small", "--batch", "2"], 0).0.contains("images/s"));
}
