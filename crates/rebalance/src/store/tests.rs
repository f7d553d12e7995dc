use ring::Placement;

use super::*;

const CLUSTER: &str = "00000000000000000000000000000007";

fn document(epoch: u64) -> RingDocument {
    let first = RingDocument::bootstrap(CLUSTER, Placement::Classic, 4, [("kv-0", CLUSTER)]);
    RingDocument { epoch, ..first.unwrap() }
}

#[tokio::test]
async fn a_document_is_swapped_only_for_the_expected_one() {
    let directory = tempfile::tempdir().unwrap();
    let store = FileRingStore::new(directory.path().join("ring.json"));
    assert_eq!(store.load().await.unwrap(), None);

    store.compare_and_swap(None, &document(1)).await.unwrap();
    let twice = store.compare_and_swap(None, &document(2)).await;
    assert!(matches!(twice, Err(RingStoreError::Conflict)));
    let wrong = store.compare_and_swap(Some(&document(7)), &document(2)).await;
    assert!(matches!(wrong, Err(RingStoreError::Conflict)));

    store.compare_and_swap(Some(&document(1)), &document(2)).await.unwrap();
    assert_eq!(store.load().await.unwrap(), Some(document(2)));
}

#[tokio::test]
async fn what_is_no_document_is_an_error_that_names_the_file() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("ring.json");
    fs::write(&path, "{").unwrap();
    let error = FileRingStore::new(&path).load().await.unwrap_err().to_string();
    assert!(error.contains("ring.json") && error.contains("not readable"), "{error}");

    let nowhere = FileRingStore::new(directory.path().join("no/ring.json"));
    let error = nowhere.compare_and_swap(None, &document(1)).await.unwrap_err().to_string();
    assert!(error.contains("cannot write the ring document"), "{error}");
}
