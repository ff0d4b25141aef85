<?php

declare(strict_types=1);

namespace Purser\Tests;

use Purser\Client;
use Purser\ConnectionLost;
use Purser\Request;

function proxy(): Proxy
{
    $url = parse_url(environment('PURSER_AMQP_URL'));

    return new Proxy("{$url['host']}:{$url['port']}");
}

/** A client behind the proxy, with a connection that has been used. */
function connected(Proxy $proxy, string ...$changes): Client
{
    $changes += ['PURSER_PHP_CONFIRM_SECONDS' => '1', 'PURSER_PHP_RECONNECT_SECONDS' => '10'];
    $client = new Client(config(...$changes, PURSER_AMQP_HOSTS: $proxy->host));
    same('OK', $client->call(new Request('list_plans', [], customer()))->data()['result']);

    return $client;
}

foreach (
    [
        'cut' => 'a connection that was closed is made anew',
        'blackhole' => 'a connection that died in silence is noticed and made anew',
        'mute' => 'a command whose confirm was lost is published again and done once',
    ] as $fault => $name
) {
    test($name, function () use ($fault): void {
        [$request, $bucket] = createBucket();
        $proxy = proxy();
        $client = connected($proxy);
        $proxy->tell($fault);
        $reply = $client->call($request);
        ok(!$reply->isRefusal(), $reply->json);
        same('create_bucket', $reply->data()['action']);
        same(1, creations($bucket), 'times that the bucket was created');
        $proxy->tell($fault);
        same('OK', $client->call(new Request('list_plans', [], customer()))->data()['result'], 'a query');
        $proxy->tell($fault);
        $client->send($request);
        same(1, creations($bucket), 'times after it was sent again');
    });
}

test('a broker that restarts is waited for', function (): void {
    [$request, $bucket] = createBucket();
    $proxy = proxy();
    $client = connected($proxy);
    $proxy->tell('refuse');
    $proxy->tell('cut');
    ok(!$client->call($request)->isRefusal(), 'the command is answered');
    same(1, creations($bucket));
});

test('a process that slept through its heartbeats goes on', function (): void {
    [$request, $bucket] = createBucket();
    $proxy = proxy();
    $client = connected($proxy, PURSER_PHP_HEARTBEAT: '1');
    $proxy->await('broker-closed');
    ok(!$client->call($request)->isRefusal(), 'the command is answered');
    same(1, creations($bucket));
});

test('a process that keeps its connection alive keeps it', function (): void {
    $proxy = proxy();
    $client = connected($proxy, PURSER_PHP_HEARTBEAT: '1');
    $until = microtime(true) + 4;
    while (microtime(true) < $until) {
        $client->keepAlive();
        usleep(100_000);
    }
    $proxy->tell('refuse');
    same('OK', $client->call(new Request('list_plans', [], customer()))->data()['result'], 'on the old connection');
    $proxy->tell('cut');
});

test('a command that can\'t be confirmed in time may have been done, and says so', function (): void {
    [$request, $bucket] = createBucket();
    $proxy = proxy();
    $client = connected($proxy, PURSER_PHP_RECONNECT_SECONDS: '0');
    $proxy->tell('mute');
    same(true, thrown(ConnectionLost::class, fn () => $client->call($request))->mayHaveBeenDone);
    ok(!$client->call($request)->isRefusal(), 'the same request again');
    same(1, creations($bucket));
});
