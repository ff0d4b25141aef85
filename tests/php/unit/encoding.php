<?php

declare(strict_types=1);

namespace Purser\Tests;

use Purser\Encoding;
use Purser\MessagePack;

test('values survive MessagePack, in every size of number, text, list and map', function (): void {
    $numbers = [0, 1, 127, 128, 255, 256, 65535, 65536, 4294967295, 4294967296, PHP_INT_MAX, -1, -32, -33, -128, -129,
        -32768, -32769, -2147483648, -2147483649, PHP_INT_MIN, 0.1, 10.0, -1.5e300, true, false, null];
    $lengths = [0, 15, 16, 127, 128, 32767, 32768];
    $texts = array_map(static fn (int $length): string => str_repeat('é', $length), $lengths);
    $lists = array_map(static fn (int $length): array => array_fill(0, $length, 7), [0, 15, 16, 65535, 65536]);
    $maps = array_map(static fn (int $length): \stdClass => (object) array_flip(array_map(
        static fn (int $number): string => "k$number",
        range(1, $length),
    )), [1, 15, 16, 65535, 65536]);
    $maps[] = new \stdClass();
    $maps[] = (object) ['0' => 'zero', '1' => 'one'];
    foreach ([...$numbers, ...$texts, ...$lists, ...$maps] as $value) {
        $json = Encoding::json($value);
        ok($json === MessagePack::toJson(MessagePack::encode($value)), 'changed: ' . substr($json, 0, 60));
    }
});

test('MessagePack is read whatever the sender chose, and written as Purser writes it', function (): void {
    foreach (
        [
            "\xcf\xff\xff\xff\xff\xff\xff\xff\xff" => '18446744073709551615',
            "\xcf\x80\x00\x00\x00\x00\x00\x00\x00" => '9223372036854775808',
            "\xd3\x00\x00\x00\x00\x00\x00\x00\x05" => '5',
            "\xcd\x00\x05" => '5',
            "\xca\x41\x20\x00\x00" => '10.0',
            "\xcb\x40\x24\x00\x00\x00\x00\x00\x00" => '10.0',
            "\xc4\x02ab" => '"ab"',
            "\xd9\x03a/\"" => '"a/\\""',
            "\x82\xa1a\x80\xa1b\x90" => '{"a":{},"b":[]}',
            "\x81\xa10\xa1x" => '{"0":"x"}',
        ] as $bytes => $json
    ) {
        same($json, MessagePack::toJson((string) $bytes), bin2hex((string) $bytes));
    }
    same('82a16180a16290', bin2hex(MessagePack::encode(['a' => new \stdClass(), 'b' => []])));
    same('80', bin2hex(Encoding::MessagePack->encode([])));
    same('{}', Encoding::Json->encode([]));
});

test('bytes that are no value are refused', function (): void {
    $deep = str_repeat("\x91", 65) . "\xc0";
    foreach (
        [
            '' => 'it ends too early',
            "\x82\xa1a" => 'it ends too early',
            "\xdb\xff\xff\xff\xff" => 'it ends too early',
            "\xdd\xff\xff\xff\xff" => 'it ends too early',
            "\x80\x80" => '1 bytes follow the value',
            "\x81\x01\x01" => 'the key 1 is no text',
            "\x82\xc0\xa8stdClass\xa1a\x01" => 'the key null is no text',
            "\xa1\xff" => 'a text is no UTF-8',
            "\xd4\x05a" => 'tag 0xd4',
            "\xc1" => 'tag 0xc1',
            "\xcb\x7f\xf0\x00\x00\x00\x00\x00\x00" => 'a number is not finite',
            $deep => 'nested too deeply',
        ] as $bytes => $reason
    ) {
        $error = thrown(\UnexpectedValueException::class, fn () => MessagePack::toJson((string) $bytes));
        same("no valid MessagePack: $reason", $error->getMessage(), bin2hex((string) $bytes));
    }
    thrown(\UnexpectedValueException::class, fn () => Encoding::Json->toJson('{'));
});

test('what has no form in a message is refused before it is sent', function (): void {
    foreach (Encoding::cases() as $encoding) {
        foreach (["\xff", INF, NAN] as $value) {
            thrown(\InvalidArgumentException::class, fn () => $encoding->encode(['a' => $value]));
        }
    }
});

test('a body is read by its content type', function (): void {
    foreach (
        [
            [null, Encoding::MessagePack],
            ['application/x-msgpack', Encoding::MessagePack],
            ['Application/JSON; charset=utf-8', Encoding::Json],
            ['text/html', null],
        ] as [$contentType, $encoding]
    ) {
        same($encoding, Encoding::ofContentType($contentType), (string) $contentType);
    }
});

test('the samples of the schemas read the same in both encodings', function (): void {
    $samples = glob(__DIR__ . '/../../../proto-schemas/samples/*.msgpack');
    if ($samples === []) {
        throw new Skip('proto-schemas/samples is not there');
    }
    foreach ($samples as $sample) {
        $json = file_get_contents(substr($sample, 0, -strlen('msgpack')) . 'json');
        sameJson($json, MessagePack::toJson(file_get_contents($sample)), basename($sample));
    }
});
