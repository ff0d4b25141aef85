<?php

declare(strict_types=1);

namespace Purser\Tests;

use Purser\Uuid;

test('a text always makes the same id, the same as in the gateway', function (): void {
    foreach (
        [
            'order-4711' => 'b82d4362-d234-5485-b709-15884f1a7ca0',
            'order 17' => 'abbb52cc-5bc4-5d85-a22f-b884482335f3',
            'Bestellung Nr. 7 – Käse' => '608d0d2c-b229-58be-a49b-9aa56aa346fc',
            str_repeat('x', 255) => '25e7d4cf-f7fe-534b-a8ea-226543c05938',
        ] as $text => $id
    ) {
        same($id, Uuid::v5($text), $text);
    }
    // The example of RFC 9562.
    same('2ed6657d-e927-568b-95e1-2665a8aea6a2', Uuid::v5('www.example.com', '6ba7b810-9dad-11d1-80b4-00c04fd430c8'));
});

test('random ids have their version and differ; those with a time sort by it', function (): void {
    foreach ([4 => Uuid::v4(...), 7 => Uuid::v7(...)] as $version => $make) {
        $id = $make();
        $form = "/^[0-9a-f]{8}-[0-9a-f]{4}-{$version}[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/D";
        same(1, preg_match($form, $id), $id);
        ok($id !== $make(), "two ids of version $version");
    }
    $seconds = hexdec(str_replace('-', '', substr(Uuid::v7(), 0, 13))) / 1000;
    ok(abs($seconds - microtime(true)) < 5, "the time in the id: $seconds");
});

test('a UUID is known in each of its spellings, and nothing else is one', function (): void {
    $id = '0198c0de-0000-7000-8000-00000000abcd';
    foreach ([$id, strtoupper($id), '0198c0de00007000800000000000ABCD', "{{$id}}", "urn:uuid:$id"] as $spelling) {
        same($id, Uuid::parse($spelling), $spelling);
    }
    foreach (['', 'order-4711', "$id\n", "{$id}0", substr($id, 1), str_replace('-', '', "{{$id}}")] as $other) {
        same(null, Uuid::parse($other), $other);
    }
});
