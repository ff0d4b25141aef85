<?php

declare(strict_types=1);

namespace Purser\Tests;

use Purser\Action;
use Purser\Client;
use Purser\Kind;
use Purser\Request;
use Purser\TimedOut;
use Purser\Unavailable;
use Purser\Unroutable;

test('a query is answered in both encodings with the same', function (): void {
    $replies = [];
    foreach (['msgpack', 'json'] as $encoding) {
        $client = new Client(config(PURSER_PHP_ENCODING: $encoding));
        $replies[] = $client->call(new Request('list_plans', [], customer()))->json;
    }
    sameJson(...$replies);
    ok(str_contains($replies[0], '"plans":['), $replies[0]);
});

test('an order makes an account, and the same order again makes no second one', function (): void {
    $client = new Client(config());
    $request = new Request('create_order', ['plan_id' => 1, 'bucket_name' => bucketName()], customer());
    $first = $client->call($request);
    ok(!$first->isRefusal(), $first->json);
    same('create_order', $first->data()['action']);
    sameJson($first->json, $client->call($request)->json, 'the same object again');
    $other = new Client(config(PURSER_PHP_ENCODING: 'json'));
    $again = new Request('create_order', $request->parameters, customer(), $request->messageId);
    sameJson($first->json, $other->call($again)->json, 'the same id from elsewhere');
});

test('a refusal is a reply, and says what was wrong', function (): void {
    $reply = (new Client(config()))->call(new Request('create_order', ['bucket_name' => bucketName()], customer()));
    same([true, 'plan_id required'], [$reply->isRefusal(), $reply->refusal()], $reply->json);
});

test('what no service takes comes back at once, and nothing was done', function (): void {
    $request = new Request(new Action('no_such_action', Kind::Command), [], customer());
    $error = thrown(Unroutable::class, fn () => (new Client(config()))->call($request));
    same([$request->messageId, false], [$error->messageId, $error->mayHaveBeenDone]);
});

test('an answer that takes too long is said to be under way, and is there when asked again', function (): void {
    [$request] = createBucket();
    $hasty = new Request('create_bucket', $request->parameters, customer(), $request->messageId, waitSeconds: 0.001);
    $client = new Client(config());
    same(true, thrown(TimedOut::class, fn () => $client->call($hasty))->mayHaveBeenDone);
    same('create_bucket', $client->call($request)->data()['action']);
});

test('a command that is only sent is done, and its answer is there when asked again', function (): void {
    [$request, $bucket] = createBucket();
    $client = new Client(config());
    $client->send($request);
    $reply = $client->call($request);
    ok(!$reply->isRefusal(), $reply->json);
    same(1, creations($bucket));
});

test('a deadline in the past is refused', function (): void {
    [$request] = createBucket();
    $past = new \DateTimeImmutable('-1 minute');
    $late = new Request('create_bucket', $request->parameters, customer(), deadline: $past);
    ok((new Client(config()))->call($late)->isRefusal(), 'a command past its deadline');
});

test('a process that publishes much keeps its answers apart', function (): void {
    $client = new Client(config());
    for ($round = 0; $round < 50; $round++) {
        // Refused, and nobody reads the answer.
        $client->send(new Request('create_bucket', [], customer()));
        same('list_plans', $client->call(new Request('list_plans', [], customer()))->data()['action']);
    }
});

test('a broker that is not there, or doesn\'t know the user, is said to be away', function (): void {
    $request = new Request('list_plans', [], customer());
    $nowhere = new Client(config(PURSER_AMQP_HOSTS: '127.0.0.1:1', PURSER_PHP_RECONNECT_SECONDS: '0.2'));
    same(false, thrown(Unavailable::class, fn () => $nowhere->call($request))->mayHaveBeenDone);
    foreach (['PURSER_AMQP_PASSWORD' => 'wrong-secret', 'PURSER_AMQP_VHOST' => 'no-such-vhost'] as $name => $value) {
        $since = microtime(true);
        $client = new Client(config(...[$name => $value]));
        $error = thrown(Unavailable::class, fn () => $client->call($request));
        same(false, $error->mayHaveBeenDone, $name);
        ok(!str_contains((string) $error, 'wrong-secret'), 'the password is not shown');
        ok(microtime(true) - $since < 4, 'it is not tried again');
    }
});

test('the next broker is taken where the first one is not there', function (): void {
    $url = parse_url(environment('PURSER_AMQP_URL'));
    $client = new Client(config(PURSER_AMQP_HOSTS: "127.0.0.1:1, {$url['host']}:{$url['port']}"));
    same('OK', $client->call(new Request('list_plans', [], customer()))->data()['result']);
});
