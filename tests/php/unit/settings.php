<?php

declare(strict_types=1);

namespace Purser\Tests;

use Purser\Actions;
use Purser\Config;
use Purser\Encoding;
use Purser\HttpRequest;
use Purser\Kind;
use Purser\Principal;
use Purser\Request;
use Purser\TraceContext;

test('settings come from a file and from the environment, which wins', function (): void {
    $file = tempnam(sys_get_temp_dir(), 'purser');
    $secret = tempnam(sys_get_temp_dir(), 'purser');
    file_put_contents($secret, "p@ss\n");
    file_put_contents($file, '<?php return ' . var_export([
        'hosts' => ['a', 'b:5673'], 'user' => 'php', 'password_file' => $secret, 'heartbeat' => 10,
        'encoding' => 'json', 'tls' => ['cafile' => '/ca.pem'], 'gateway_url' => 'https://gateway/',
    ], true) . ';');
    $config = Config::load($file, ['PURSER_PHP_HEARTBEAT' => '20', 'PURSER_AMQP_VHOST' => 'v', 'PATH' => '/bin']);
    same(['a', 'b:5673'], $config->hosts);
    same(['php', 'p@ss', 'v'], [$config->user, $config->password, $config->vhost]);
    same([20, Encoding::Json, 'https://gateway'], [$config->heartbeat, $config->encoding, $config->gatewayUrl]);
    same(['cafile' => '/ca.pem'], $config->tls);
    unlink($file);
    unlink($secret);

    $config = Config::load(null, ['PURSER_AMQP_URL' => 'amqps://u%40x:p%2Fw@broker/my%2Fhost']);
    same(['u@x', 'p/w', 'my/host'], [$config->user, $config->password, $config->vhost]);
    same([['broker:5671'], []], [$config->hosts, $config->tls]);
    ok(!str_contains(print_r($config, true), 'p/w'), 'a printed configuration shows no password');
});

test('wrong settings are named, secrets are not', function (): void {
    foreach (
        [
            [[], 'hosts: at least one is needed, as `host` or `host:port`'],
            [['PURSER_AMQP_HOSTS' => 'a'], 'user: is needed'],
            [
                ['PURSER_AMQP_URL' => 'http://u:secret@x'],
                'amqp_url: must be amqp://user:password@host:port/vhost (or amqps)',
            ],
            [['PURSER_AMQP_PASSWORD_FILE' => '/nowhere'], 'password_file: /nowhere can\'t be read'],
            [['PURSER_PHP_ENCODING' => 'xml'], 'encoding: must be msgpack or json'],
            [['PURSER_PHP_HEARTBEAT' => 'often'], 'heartbeat: must be a number from 0'],
            [
                ['PURSER_AMQP_URL' => 'amqp://u:secret@x', 'PURSER_PHP_CONFIRM_SECONDS' => '0'],
                'confirmSeconds: must be more than 0',
            ],
        ] as [$environment, $message]
    ) {
        $error = thrown(\InvalidArgumentException::class, fn () => Config::load(null, $environment));
        same($message, $error->getMessage());
    }
});

test('the table of actions says what is a command and what needs POST', function (): void {
    foreach (
        [
            ['create_order', Kind::Command, true, true],
            ['delete_file', Kind::Command, true, true],
            ['add_payment', Kind::Command, true, true],
            ['change_plan', Kind::Command, true, true],
            ['hold_service', Kind::Command, true, true],
            ['cancel_payment_account_deletion', Kind::Command, false, true],
            ['update_traffic_info', Kind::Command, false, true],
            ['get_files', Kind::Query, false, true],
            ['show_key', Kind::Query, false, true],
            ['get_invoice', Kind::Query, false, true],
            ['plan_change_preview', Kind::Query, false, true],
            ['usage_report', Kind::Query, false, true],
            ['storage_create', Kind::Command, false, false],
            ['storage_prices', Kind::Query, false, false],
        ] as [$name, $kind, $postOnly, $inS3Php]
    ) {
        $action = Actions::find($name);
        same([$kind, $postOnly, $inS3Php], [$action->kind, $action->postOnly, $action->inS3Php], $name);
    }
    foreach (['', 'CREATE_ORDER', 'provision_account', 'release_account', 'purge_account', 'set_account_access'] as $none) {
        same(null, Actions::find($none), $none);
    }
    same(26, count(array_unique(Actions::ofS3Php())));
});

test('a request keeps its id, and nobody else can say who is asking', function (): void {
    $request = new Request('history', ['principal' => ['role' => 'admin'], 'id' => 1], Principal::customer(7));
    same(['principal' => ['customer_id' => 7, 'role' => 'customer'], 'id' => 1], $request->body());
    same($request->messageId, (new Request('history', [], Principal::admin(), $request->messageId))->messageId);
    thrown(\InvalidArgumentException::class, fn () => new Request('purge_account', [], Principal::admin()));
    thrown(\InvalidArgumentException::class, fn () => new Request('history', [], Principal::admin(), 'order-4711'));
});

test('the address of the caller is that of the peer, or what trusted proxies say', function (): void {
    foreach (
        [
            ['1.1.1.1', null, [], '1.1.1.1'],
            ['1.1.1.1', '2.2.2.2', [], '1.1.1.1'],
            ['1.1.1.1', '9.9.9.9, 2.2.2.2', ['1.1.1.1'], '2.2.2.2'],
            ['1.1.1.1', '9.9.9.9, 2.2.2.2', ['1.1.1.1', '2.2.2.2'], '9.9.9.9'],
            ['1.1.1.1', '2.2.2.2', ['1.1.1.1', '2.2.2.2'], '2.2.2.2'],
            ['1.1.1.1', null, ['1.1.1.1'], '1.1.1.1'],
            ['1.1.1.1', "9.9.9.9, x\r\ny", ['1.1.1.1'], '1.1.1.1'],
            ['1.1.1.1', '2.2.2.2:4711', ['1.1.1.1'], '2.2.2.2'],
            ['1.1.1.1', '[2001:db8::1]:4711', ['1.1.1.1'], '2001:db8::1'],
            ['1.1.1.1', '2001:db8::1', ['1.1.1.1'], '2001:db8::1'],
        ] as [$peer, $forwarded, $trusted, $expected]
    ) {
        $headers = $forwarded === null ? [] : ['x-forwarded-for' => $forwarded];
        same($expected, (new HttpRequest('GET', headers: $headers, peer: $peer))->clientAddress($trusted));
    }
});

test('a well-formed trace context is continued, anything else starts a new one', function (): void {
    $given = '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01';
    same($given, TraceContext::continueOrStart($given));
    foreach ([null, '', strtoupper($given), "$given-x", '00-' . str_repeat('0', 32) . '-00f067aa0ba902b7-01'] as $bad) {
        $new = TraceContext::continueOrStart($bad);
        ok($new !== $bad && TraceContext::continueOrStart($new) === $new, "from $bad came $new");
    }
});
