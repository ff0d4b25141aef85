<?php

declare(strict_types=1);

namespace Purser\Tests;

use Purser\Encoding;
use Purser\Fault;
use Purser\Parameters;

const FORM = 'application/x-www-form-urlencoded; charset=UTF-8';
const JSON = 'application/json';

test('forms are read as the gateway reads them', function (): void {
    foreach (
        [
            ['', '{}'],
            ['a=1&b=x+y%21', '{"a":"1","b":"x y!"}'],
            ['a', '{"a":""}'],
            ['a=1&a=2', '{"a":"2"}'],
            ['a.b=1&c+d=2', '{"a.b":"1","c d":"2"}'],
            ['a[b]=1&a[c]=2', '{"a":{"b":"1","c":"2"}}'],
            ['a%5Bb%5D=1', '{"a":{"b":"1"}}'],
            ['a[]=1&a[]=2', '{"a":["1","2"]}'],
            ['a[1]=2&a[0]=1', '{"a":["1","2"]}'],
            ['a[3]=1&a[]=2', '{"a":{"3":"1","4":"2"}}'],
            ['a[b][]=1&a[b][]=2&a[c][d]=3', '{"a":{"b":["1","2"],"c":{"d":"3"}}}'],
            ['a=1&a[b]=2', '{"a":{"b":"2"}}'],
            ['a[b]=2&a=1', '{"a":"1"}'],
            ['a[=1&]b[=2&[c]=3&d[e=4', '{"a[":"1","]b[":"2","[c]":"3","d[e":"4"}'],
            ['a[b]c=1&a[b[c]]=2', '{"a[b]c":"1","a[b[c]]":"2"}'],
            ['&&=&=1', '{}'],
            ['a=%FF', "{\"a\":\"\u{fffd}\"}"],
            ['0=x&1=y', '{"0":"x","1":"y"}'],
        ] as [$form, $expected]
    ) {
        sameJson($expected, Encoding::Json->encode(Parameters::read('', FORM, $form)), $form);
        sameJson($expected, Encoding::Json->encode(Parameters::read($form, '', '')), "$form in the query");
    }
    $many = implode('&', array_map(static fn (int $number): string => "a[]=$number", range(0, 11)));
    same(array_map(strval(...), range(0, 11)), Parameters::read('', FORM, $many)['a']);
});

test('the body wins over the query string, and JSON keeps its types', function (): void {
    sameJson(
        '{"action":"history","id":"2"}',
        Encoding::Json->encode(Parameters::read('action=history&id=1', FORM, 'id=2')),
    );
    $json = '{"id":3,"price":10.0,"deep":{"list":[1,null],"none":{},"empty":[]}}';
    sameJson($json, Encoding::Json->encode(Parameters::read('id=1', JSON, $json)));
});

test('what is no set of parameters is refused as the gateway refuses it', function (): void {
    $name = 'names of parameters have at most 256 bytes and 8 levels of brackets';
    $types = 'the body must be application/x-www-form-urlencoded or application/json, not ';
    foreach (
        [
            [FORM, str_repeat('p=&', 1001), 400, 'at most 1000 parameters are read'],
            [FORM, 'a' . str_repeat('[b]', 8) . '=1', 400, $name],
            [FORM, str_repeat('n', 257) . '=1', 400, $name],
            [JSON, '[1]', 400, 'the body must be a JSON object of parameters, for example {"action": "list_plans"}'],
            [JSON, '{', 400, 'the body is no valid JSON: Syntax error'],
            ['text/xml', '<a/>', 415, $types . 'text/xml'],
            ['', 'a=1', 415, $types . 'without a Content-Type'],
        ] as [$contentType, $body, $status, $message]
    ) {
        $answer = thrown(Fault::class, fn () => Parameters::read('', $contentType, $body))->answer;
        same([$status, $message], [$answer->status, json_decode($answer->json)->message]);
    }
    same([], Parameters::read('', 'text/plain', ''), 'an empty body needs no type');
});

test('texts are taken once and empty ones are absent', function (): void {
    $given = ['a' => " x\u{a0}", 'b' => '', 'c' => null, 'd' => 7, 'e' => ['list_plans'], 'f' => true];
    $taken = [];
    foreach (['a', 'b', 'c', 'd', 'e', 'f', 'g'] as $name) {
        $taken[] = Parameters::takeText($given, $name);
    }
    same(['x', null, null, '7', '["list_plans"]', 'true', null], $taken);
    same([], $given);
});
