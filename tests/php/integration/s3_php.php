<?php

declare(strict_types=1);

namespace Purser\Tests;

use Purser\Actions;

/** The drop-in, once for all tests; its tokens are the gateway's. */
function webServer(): WebServer
{
    static $server = null;
    environment('PURSER_AMQP_URL');
    $url = environment('PURSER_GATEWAY_URL') . '/auth.php?action=info&token=' . environment('PURSER_CUSTOMER_TOKEN');
    if (http('GET', $url)->status === 404) {
        throw new Skip('the gateway has no auth.php yet');
    }

    return $server ??= new WebServer();
}

/** @return array<string, mixed> */
function fields(HttpReply $reply): array
{
    return json_decode($reply->body, true, flags: JSON_THROW_ON_ERROR);
}

test('s3.php answers like the gateway', function (): void {
    $urls = [environment('PURSER_GATEWAY_URL') . '/s3.php', webServer()->url];
    $token = environment('PURSER_CUSTOMER_TOKEN');
    $bearer = "Authorization: Bearer $token";
    $form = 'Content-Type: application/x-www-form-urlencoded';
    $json = 'Content-Type: application/json';
    $key = 'Idempotency-Key: ' . bin2hex(random_bytes(8));
    foreach (
        [
            ['GET', "?action=list_plans&token=$token", [], ''],
            ['HEAD', "?action=list_plans&token=$token", [], ''],
            ['POST', '', [$form], "action=list_plans&token=$token"],
            ['POST', '?action=history', [$form, $bearer], 'action=list_plans'],
            ['POST', '', [$json], json_encode(['action' => 'list_plans', 'token' => $token])],
            ['POST', '', [$json, $bearer], '{"action":"history","s3uid":"' . account() . '","limit":2}'],
            ['GET', '?action=get_buckets_rmq&s3uid=' . account(), [$bearer], ''],
            ['GET', '?action=get_buckets_rmq&s3uid=' . str_repeat('0', 32), [$bearer], ''],
            ['GET', '?action=history&s3uid[]=1', [$bearer], ''],
            ['POST', '', [$form, $bearer, $key], 'action=create_order&plan_id=0&bucket_name=' . bucketName()],
            ['POST', '', [$form, $bearer], 'action=create_order&plan_id[x]=0'],
            ['POST', '', [$form, $bearer], 'action=create_bucket&wait=soon'],
            ['POST', '', [$form, $bearer], 'action=create_bucket&wait=31'],
            ['POST', '', [$form, $bearer, 'Idempotency-Key: ' . str_repeat('x', 256)], 'action=create_bucket'],
            ['GET', '', [], ''],
            ['GET', '?action=no%22such%20thing', [], ''],
            ['GET', '?action=provision_account', [$bearer], ''],
            ['GET', '?action=storage_prices', [$bearer], ''],
            ['GET', '?action=create_bucket', [$bearer], ''],
            ['HEAD', '?action=create_bucket', [$bearer], ''],
            ['PUT', '?action=list_plans', [$bearer], ''],
            ['GET', '?action=list_plans', [], ''],
            ['GET', '?action=list_plans&token=ps_wrong', [], ''],
            ['POST', '', [$json, $bearer], '[1]'],
            ['POST', '', ['Content-Type: text/xml', $bearer], '<a/>'],
            ['POST', '', ['Content-Type:', $bearer], 'action=list_plans'],
            ['POST', '', ['Content-Type: multipart/form-data; boundary=x', $bearer], "--x--\r\n"],
            ['POST', '', [$form, $bearer], 'action=list_plans&' . str_repeat('a&', 1000)],
            ['POST', '', [$form, $bearer], 'action=list_plans&a=' . str_repeat('a', 1_048_576)],
        ] as [$method, $query, $headers, $body]
    ) {
        $ask = static fn (string $url): HttpReply => http($method, $url . $query, $headers, $body);
        [$gateway, $php] = array_map($ask, $urls);
        $about = "$method " . str_replace($token, '…', $query . ' ' . substr($body, 0, 60));
        same($gateway->status, $php->status, $about);
        foreach (['content-type', 'allow', 'retry-after', 'www-authenticate', 'idempotency-key'] as $name) {
            same($gateway->headers[$name] ?? null, $php->headers[$name] ?? null, "$about: $name");
        }
        // Metering may have read the account between the two.
        $timeless = static fn (HttpReply $reply): string
            => preg_replace('/"measured_at":"[^"]*"/', '"measured_at":""', $reply->body);
        $expected = $timeless($gateway);
        $expected === '' ? same('', $php->body, $about) : sameJson($expected, $timeless($php), $about);
    }
});

test('s3.php and the gateway know one another\'s commands by their key', function (): void {
    $url = environment('PURSER_GATEWAY_URL') . '/s3.php';
    $headers = [
        'Authorization: Bearer ' . environment('PURSER_CUSTOMER_TOKEN'),
        'Idempotency-Key: order-' . bin2hex(random_bytes(8)),
    ];
    $order = 'action=create_order&plan_id=1&bucket_name=' . bucketName();
    $first = http('POST', webServer()->url, $headers, $order);
    same(['OK', 'create_order'], [fields($first)['result'], fields($first)['action']], $first->body);
    sameJson($first->body, http('POST', webServer()->url, $headers, $order)->body, 'again');
    sameJson($first->body, http('POST', $url, $headers, $order)->body, 'by the gateway');
});

test('s3.php gives a callback key for a command that it doesn\'t wait for', function (): void {
    $gateway = environment('PURSER_GATEWAY_URL');
    $bucket = bucketName();
    $reply = http('POST', webServer()->url, [
        'Authorization: Bearer ' . environment('PURSER_CUSTOMER_TOKEN'),
        'Idempotency-Key: 0198c0de-0000-7000-8000-' . bin2hex(random_bytes(6)),
    ], 'action=create_bucket&wait=0&s3uid=' . account() . "&bucket_name=$bucket");
    same([200, 'create_bucket'], [$reply->status, fields($reply)['action']], $reply->body);
    same(1, preg_match('/^[0-9a-f]{32}$/D', fields($reply)['callback']), $reply->body);
    same(1, preg_match('/^0198c0de-/', $reply->headers['idempotency-key']));
    $until = microtime(true) + 20;
    do {
        usleep(100_000);
        $state = fields(http('GET', "$gateway/eq_callback.php?action=check&key=" . fields($reply)['callback']));
    } while (($state['state'] ?? '') === 'running' && microtime(true) < $until);
    same(['OK', 'done'], [$state['result'] ?? null, $state['state'] ?? null], json_encode($state));
    same('create_bucket', $state['reply']['action']);
    same(1, creations($bucket));
});

test('s3.php knows every action that an administrator may call', function (): void {
    webServer();
    $url = environment('PURSER_GATEWAY_URL') . '/auth.php';
    $body = http_build_query(['action' => 'info', 'token' => environment('PURSER_ADMIN_TOKEN')]);
    $actions = fields(http('POST', $url, [], $body))['result']['actions'];
    $unknown = array_filter($actions, static fn (string $name): bool => Actions::find($name) === null);
    same([], array_values($unknown));
});

test('a broker that is away and settings that are wrong are answered, and show no secret', function (): void {
    $query = '?action=list_plans&token=' . environment('PURSER_CUSTOMER_TOKEN');
    webServer();
    $away = ['PURSER_AMQP_HOSTS' => '127.0.0.1:1', 'PURSER_PHP_RECONNECT_SECONDS' => '0'];
    $server = new WebServer($away);
    $reply = http('GET', $server->url . $query);
    same([503, '5'], [$reply->status, $reply->headers['retry-after'] ?? null], $reply->body);
    same('the message broker is away at the moment; nothing was done, please try again', fields($reply)['message']);
    $server = new WebServer(['PURSER_PHP_ENCODING' => 'xml']);
    $reply = http('GET', $server->url . $query);
    same([500, -1], [$reply->status, fields($reply)['code']]);
    ok(!str_contains($reply->body, 'xml'), $reply->body);
});
