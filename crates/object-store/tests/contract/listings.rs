//! Listings of objects: pages, prefixes, delimiters, odd keys.

use object_store::{ListObjects, ObjectPage};

use crate::fixture::{Account, Store};

pub(crate) async fn listings_go_page_by_page(store: Store) {
    let account = Account::create(&store).await;
    let bucket = account.create_bucket("list").await;
    assert_eq!(account.all_keys(&bucket, 1000).await, [Vec::<String>::new()]);
    for (len, key) in ["b", "a/2", "a/1", "ä", "B c"].into_iter().enumerate() {
        account.put(&bucket, key, len).await.unwrap();
    }
    let (first, second) = (vec!["B c", "a/1"], vec!["a/2", "b"]);
    assert_eq!(account.all_keys(&bucket, 2).await, [first, second, vec!["ä"]]);
    assert_eq!(account.all_keys(&bucket, 5000).await, [["B c", "a/1", "a/2", "b", "ä"]]);

    let list = ListObjects { prefix: "a/".into(), max_keys: 10, ..ListObjects::all(bucket) };
    let page = store.list_objects(account.keys(), &list).await.unwrap();
    let sizes: Vec<(&str, u64)> = page.objects.iter().map(|o| (o.key.as_str(), o.size.bytes())).collect();
    assert_eq!((sizes, page.next), (vec![("a/1", 2), ("a/2", 1)], None));
    assert!(page.objects.iter().all(|object| object.last_modified.timestamp() > 0));
    account.remove().await;
}

pub(crate) async fn large_listings_are_whole_and_in_order(store: Store) {
    let account = Account::create(&store).await;
    let bucket = account.create_bucket("large").await;
    // Written in another order than listed: 0 to 2499 aren't sorted as texts.
    let mut keys: Vec<String> = (0..2500).map(|n| format!("dir-{}/file {n}", n % 7)).collect();
    account.put_all(&bucket, &keys).await;
    keys.sort_unstable();
    let pages = account.all_keys(&bucket, 1000).await;
    assert_eq!(pages.iter().map(Vec::len).collect::<Vec<_>>(), [1000, 1000, 500]);
    assert!(pages.concat() == keys, "every key, once, in order");
    assert!(account.all_keys(&bucket, 333).await.concat() == keys, "every key, once, in order");

    let middle = ListObjects { start_after: Some(keys[1249].clone()), ..ListObjects::all(bucket.clone()) };
    let pages = account.pages(middle).await;
    let after: Vec<&String> = pages.iter().flat_map(|page| &page.objects).map(|object| &object.key).collect();
    assert!(after.iter().copied().eq(&keys[1250..]), "everything behind the middle");

    let folders = ListObjects { delimiter: Some("/".into()), max_keys: 3, ..ListObjects::all(bucket) };
    let pages = account.pages(folders).await;
    assert!(pages.iter().all(|page| page.objects.is_empty() && page.common_prefixes.len() <= 3));
    let folders: Vec<&String> = pages.iter().flat_map(|page| &page.common_prefixes).collect();
    assert_eq!(folders, ["dir-0/", "dir-1/", "dir-2/", "dir-3/", "dir-4/", "dir-5/", "dir-6/"]);
    account.remove().await;
}

/// What a listing shows, prefixes and keys in one order, prefixes in brackets.
fn shown(pages: &[ObjectPage]) -> String {
    let keys = pages.iter().flat_map(|page| &page.objects).map(|object| (object.key.clone(), object.key.clone()));
    let prefixes = pages.iter().flat_map(|page| &page.common_prefixes).map(|text| (text.clone(), format!("[{text}]")));
    let mut entries: Vec<(String, String)> = keys.chain(prefixes).collect();
    entries.sort();
    entries.into_iter().map(|(_, shown)| shown).collect::<Vec<_>>().join(" ")
}

pub(crate) async fn listings_start_and_fold_as_asked(store: Store) {
    let account = Account::create(&store).await;
    let bucket = account.create_bucket("fold").await;
    let keys = ["a", "d.e", "d/1", "d/2", "d/3", "d0", "e/1", "e/f/1", "e/f/2", "e/g", "x"];
    account.put_all(&bucket, &keys.map(str::to_owned)).await;
    let cases = [
        ("", "", "", "a d.e d/1 d/2 d/3 d0 e/1 e/f/1 e/f/2 e/g x"),
        ("", "", "d/2", "d/3 d0 e/1 e/f/1 e/f/2 e/g x"),
        ("", "", "d/25", "d/3 d0 e/1 e/f/1 e/f/2 e/g x"),
        ("", "", "e/f", "e/f/1 e/f/2 e/g x"),
        ("", "", "e/f/1", "e/f/2 e/g x"),
        ("", "", "x", ""),
        ("e/", "", "e/f/1", "e/f/2 e/g"),
        ("e/", "", "a", "e/1 e/f/1 e/f/2 e/g"),
        ("e/", "", "z", ""),
        ("", "/", "", "a d.e [d/] d0 [e/] x"),
        ("e/", "/", "", "e/1 [e/f/] e/g"),
        ("e", "/", "", "[e/]"),
        ("d", "/", "", "d.e [d/] d0"),
        ("e/f/", "/", "", "e/f/1 e/f/2"),
        ("nothing/", "/", "", ""),
        ("", "f/", "", "a d.e d/1 d/2 d/3 d0 e/1 [e/f/] e/g x"),
        ("", "/", "d", "d.e [d/] d0 [e/] x"),
        ("", "/", "d/", "d0 [e/] x"),
        ("", "/", "d/2", "d0 [e/] x"),
        ("", "/", "d0", "[e/] x"),
        ("e/", "/", "e/f/1", "e/g"),
        ("e/", "/", "e/1", "[e/f/] e/g"),
    ];
    for (prefix, delimiter, start_after, expected) in cases {
        for max_keys in [1, 2, 3, 1000] {
            let list = ListObjects {
                prefix: prefix.to_owned(),
                delimiter: Some(delimiter.to_owned()),
                start_after: (!start_after.is_empty()).then(|| start_after.to_owned()),
                max_keys,
                ..ListObjects::all(bucket.clone())
            };
            let pages = account.pages(list).await;
            let case = format!("{prefix:?} {delimiter:?} {start_after:?} {max_keys}: {pages:?}");
            assert_eq!(shown(&pages), expected, "{case}");
            assert!(pages.iter().all(|page| page.objects.len() + page.common_prefixes.len() <= max_keys as usize));
            assert!(pages.iter().all(|page| page.common_prefixes.is_sorted()), "{case}");
        }
    }
    account.remove().await;
}

/// Keys that a careless client or server loses on the way, in the order of their bytes.
fn odd_keys() -> Vec<String> {
    let long = "k".repeat(1024);
    let keys = [
        "\u{1}control",
        "\t",
        "\n",
        " ",
        " lead",
        "%",
        "%2F",
        "%41",
        "+",
        "./x",
        "../x",
        "/",
        "//",
        "/lead",
        "a b",
        "a%20b",
        "a+b",
        "cr\rlf\r\n",
        "del\u{7f}",
        "trail ",
        "trail/",
        "trail//",
        "<&>\"'",
        "{}|\\^`~#?=;:@!$*(),[]",
        "_one",
        "__two",
        "_ns_three",
        "_multipart_x.meta",
        ".bucket.meta",
        "null",
        "é",
        "e\u{301}",
        "ä€😀",
        "日本/語",
        "nel\u{85}",
        "line\u{2028}",
        "bom\u{feff}",
        "\u{202e}rtl",
        "last\u{10ffff}",
        &long,
    ];
    let mut keys = keys.map(str::to_owned).to_vec();
    keys.sort_unstable();
    keys
}

pub(crate) async fn odd_keys_come_back_as_they_were(store: Store) {
    let account = Account::create(&store).await;
    let bucket = account.create_bucket("odd").await;
    let keys = odd_keys();
    account.put_all(&bucket, &keys).await;
    for max_keys in [1, 7, 1000] {
        assert_eq!(account.all_keys(&bucket, max_keys).await.concat(), keys, "{max_keys} a page");
        let versions = account.version_pages(&bucket, max_keys).await.concat();
        assert!(versions.iter().map(|version| &version.key).eq(&keys), "{max_keys} a page: {versions:?}");
    }
    for (index, key) in keys.iter().enumerate() {
        assert_eq!(store.object(account.keys(), &bucket, key).await.unwrap().unwrap().key, *key);
        assert_eq!(store.get_object(account.keys(), &bucket, key).await.unwrap(), "x", "{key:?}");
        let behind = ListObjects { start_after: Some(key.clone()), ..ListObjects::all(bucket.clone()) };
        let page = store.list_objects(account.keys(), &behind).await.unwrap();
        assert!(page.objects.iter().map(|object| &object.key).eq(&keys[index + 1..]), "behind {key:?}: {page:?}");
        let alone = ListObjects { prefix: key.clone(), max_keys: 1, ..ListObjects::all(bucket.clone()) };
        let page = store.list_objects(account.keys(), &alone).await.unwrap();
        assert_eq!(page.objects[0].key, *key);
    }
    let folded = ListObjects { delimiter: Some("\n".into()), ..ListObjects::all(bucket.clone()) };
    let page = store.list_objects(account.keys(), &folded).await.unwrap();
    assert_eq!(page.common_prefixes, ["\n", "cr\rlf\r\n"]);
    assert_eq!(account.empty(&bucket, 1000).await, [keys.len()]);
    account.remove().await;
}
