<?php

declare(strict_types=1);

namespace Purser\Tests;

use Purser\Answer;
use Purser\Config;
use Purser\ConnectionLost;
use Purser\Frontend;
use Purser\HttpRequest;
use Purser\Poster;
use Purser\PostReply;
use Purser\Publisher;
use Purser\PublishError;
use Purser\Rejected;
use Purser\Reply;
use Purser\Request;
use Purser\TimedOut;
use Purser\Unavailable;
use Purser\Unroutable;

/** Answers every request the same, and remembers it. */
final class FakePublisher implements Publisher
{
    public ?Request $called = null;
    public ?Request $sent = null;

    public function __construct(private readonly string|PublishError|\Exception $answer = '{"result":"OK"}')
    {
    }

    public function call(Request $request): Reply
    {
        $this->called = $request;

        return is_string($this->answer) ? new Reply($this->answer, $request->messageId) : throw $this->answer;
    }

    public function send(Request $request): void
    {
        $this->sent = $request;
        if (!is_string($this->answer)) {
            throw $this->answer;
        }
    }
}

/** A gateway that knows two tokens and gives one callback key. */
final class FakeGateway implements Poster
{
    /** @var list<array{string, array<string, string>, string}> */
    public array $posts = [];

    public function __construct(private readonly bool $givesKeys = true)
    {
    }

    public function post(string $path, #[\SensitiveParameter] array $form, string $clientAddress): ?PostReply
    {
        $this->posts[] = [$path, $form, $clientAddress];
        if ($path === '/eq_callback.php') {
            return $this->givesKeys ? new PostReply(200, (object) ['result' => 'OK', 'key' => 'k1']) : null;
        }
        $info = static fn (string $role, ?int $id): PostReply
            => new PostReply(200, (object) ['result' => (object) ['role' => $role, 'customer_id' => $id]]);
        $failure = static fn (int $status, string $message): PostReply
            => new PostReply($status, (object) ['code' => -1, 'message' => $message], '7');

        return match ($form['token']) {
            'alice' => $info('customer', 1),
            'root' => $info('admin', null),
            'odd' => $info('customer', null),
            'old' => $failure(401, 'token expired'),
            'eager' => $failure(429, 'too many'),
            'broken' => null,
            default => $failure(401, 'invalid token'),
        };
    }
}

function frontend(?Publisher $publisher = null, ?Poster $gateway = null): Frontend
{
    $config = new Config(['broker'], 'php', 'secret', replyWaitSeconds: 25, trustedProxies: ['10.0.0.1']);

    return new Frontend($config, $publisher ?? new FakePublisher(), $gateway ?? new FakeGateway());
}

function shown(Answer $answer): string
{
    $headers = '';
    foreach ($answer->headers as $name => $value) {
        $headers .= "$name: $value ";
    }

    return "$answer->status $headers$answer->json";
}

test('requests are refused as the gateway refuses them, action before method before token', function (): void {
    $bearer = ['authorization' => 'bearer alice'];
    $unauthorized = '401 WWW-Authenticate: Bearer ';
    $unchecked = '503 Retry-After: 5 {"code":-1,"message":"tokens can\'t be checked at the moment; nothing was done, '
        . 'please try again"}';
    foreach (
        [
            [new HttpRequest('GET'), '200 {"code":-1,"message":"action required"}'],
            [new HttpRequest('POST', 'action='), '200 {"code":-1,"message":"action required"}'],
            [new HttpRequest('GET', 'action=a"b/ü'), '200 {"code":-1,"message":"unknown action \"a\"b/ü\""}'],
            [
                new HttpRequest('GET', 'action=storage_info'),
                '200 {"code":-1,"message":"unknown action \"storage_info\""}',
            ],
            [
                new HttpRequest('GET', 'action=release_account'),
                '200 {"code":-1,"message":"unknown action \"release_account\""}',
            ],
            [
                new HttpRequest('GET', 'action=create_order'),
                '405 Allow: POST {"code":-1,"message":"create_order must be called by POST"}',
            ],
            [
                new HttpRequest('PUT', 'action=list_plans'),
                '405 Allow: GET, POST {"code":-1,"message":"this path must be called by GET, POST"}',
            ],
            [new HttpRequest('GET', 'action=list_plans'), $unauthorized . '{"code":-1,"message":"token required"}'],
            [
                new HttpRequest('GET', 'action=list_plans', ['authorization' => 'Basic YTpi']),
                $unauthorized . '{"code":-1,"message":"token required"}',
            ],
            [
                new HttpRequest('GET', 'action=list_plans&token=x'),
                $unauthorized . '{"code":-1,"message":"invalid token"}',
            ],
            [
                new HttpRequest('GET', 'action=list_plans&token=old', $bearer),
                $unauthorized . '{"code":-1,"message":"token expired"}',
            ],
            [
                new HttpRequest('GET', 'action=list_plans&token=eager'),
                '429 Retry-After: 7 {"code":-1,"message":"too many"}',
            ],
            [
                new HttpRequest('GET', 'action=list_plans&token=broken'),
                $unchecked,
            ],
            [
                new HttpRequest('GET', 'action=list_plans&token=odd'),
                $unchecked,
            ],
            [
                new HttpRequest('GET', 'action=list_plans', $bearer + ['idempotency-key' => str_repeat('x', 256)]),
                '400 {"code":-1,"message":"Idempotency-Key must be a UUID or another text of 1 to 255 bytes"}',
            ],
            [
                new HttpRequest('POST', 'action=create_bucket&wait=26', $bearer),
                '200 {"code":-1,"message":"wait must be an integer from 0 to 25 (seconds)"}',
            ],
            [new HttpRequest('HEAD', 'action=list_plans&wait=soon', $bearer), '200 {"result":"OK"}'],
        ] as [$request, $expected]
    ) {
        same($expected, shown(frontend()->answer($request)));
    }
});

test('a request becomes a message with the caller in it and nothing of the token', function (): void {
    [$publisher, $gateway] = [new FakePublisher('{"n":10.0,"e":{},"u":"ü/"}'), new FakeGateway()];
    $answer = frontend($publisher, $gateway)->answer(new HttpRequest(
        'POST',
        'action=create_order&plan_id=1&wait=3&token=nobody&principal[role]=admin',
        [
            'content-type' => 'application/json',
            'idempotency-key' => ' order-4711 ',
            'traceparent' => '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01',
            'x-forwarded-for' => '192.0.2.7',
        ],
        '{"token":"alice","plan_id":2,"message_id":"0198c0de-0000-7000-8000-000000000001"}',
        '10.0.0.1',
    ));
    same('200 {"n":10.0,"e":{},"u":"ü/"}', shown($answer));
    $request = $publisher->called;
    same(['create_order', 3.0], [$request->action->name, $request->waitSeconds]);
    same('b82d4362-d234-5485-b709-15884f1a7ca0', $request->messageId);
    same('00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01', $request->traceparent);
    same([
        'principal' => ['customer_id' => 1, 'role' => 'customer'],
        'plan_id' => 2,
        'message_id' => '0198c0de-0000-7000-8000-000000000001',
    ], $request->body());
    same([['/auth.php', ['action' => 'info', 'token' => 'alice'], '192.0.2.7']], $gateway->posts);
});

test('a command that is not waited for to the end is answered with a callback key', function (): void {
    $id = '0198c0de-0000-7000-8000-000000000001';
    $request = static fn (string $wait, string $action = 'delete_account'): HttpRequest => new HttpRequest(
        'POST',
        "action=$action&token=root&wait=$wait",
        ['idempotency-key' => $id],
        peer: '192.0.2.8',
    );
    $late = new TimedOut('late', $id, true);
    $key = "200 Idempotency-Key: $id {\"result\":\"OK\",\"action\":\"delete_account\",\"callback\":\"k1\"}";
    $gateway = new FakeGateway();
    $publisher = new FakePublisher();
    same($key, shown(frontend($publisher, $gateway)->answer($request('0'))), 'at once');
    ok($publisher->sent !== null && $publisher->called === null, 'it is sent and not waited for');
    $form = ['action' => 'register', 'token' => 'root', 'message_id' => $id, 'command' => 'delete_account'];
    same(['/eq_callback.php', $form, '192.0.2.8'], $gateway->posts[1]);
    same($key, shown(frontend(new FakePublisher($late))->answer($request('2'))), 'after the wait');

    $without = shown(frontend(new FakePublisher($late), new FakeGateway(givesKeys: false))->answer($request('2')));
    same("504 Retry-After: 5 Idempotency-Key: $id {\"code\":-1,\"message\":\"not finished within 2 seconds and still "
        . "being worked on; send it again with the header Idempotency-Key: $id to get its answer, it is carried out "
        . 'only once"}', $without);
    $query = frontend(new FakePublisher(new TimedOut('late', $id, false)))->answer($request('2', 'list_plans'));
    same('504 Retry-After: 5 {"code":-1,"message":"no answer within 25 seconds; please try again"}', shown($query));
});

test('what the broker refuses or loses is told as the gateway tells it', function (): void {
    $id = '0198c0de-0000-7000-8000-000000000001';
    $nobody = '503 Retry-After: 5 {"code":-1,"message":"nobody works on this kind of request at the moment; '
        . 'nothing was done, please try again"}';
    $lost = "503 Retry-After: 5 Idempotency-Key: $id {\"code\":-1,\"message\":\"the connection inside was lost and the "
        . "request may have been carried out; send it again with the header Idempotency-Key: $id to get its answer, it "
        . 'is carried out only once"}';
    $away = '503 Retry-After: 5 {"code":-1,"message":"the message broker is away at the moment; nothing was done, '
        . 'please try again"}';
    foreach (
        [
            ['create_bucket', new Unroutable('', $id, false), $nobody],
            ['create_bucket', new Rejected('', $id, false), $nobody],
            ['create_bucket', new Rejected('', $id, true), $lost],
            ['create_bucket', new ConnectionLost('', $id, true), $lost],
            ['create_bucket', new Unavailable('', $id, false), $away],
            [
                'history',
                new ConnectionLost('', $id, true),
                '503 Retry-After: 5 {"code":-1,"message":"the connection inside was lost; please try again"}',
            ],
            ['history', new \LengthException(), '413 {"code":-1,"message":"the body may have at most 1048576 bytes"}'],
            [
                'history',
                new \UnexpectedValueException('x'),
                '502 {"code":-1,"message":"the answer can\'t be read; the operators have been told"}',
            ],
        ] as [$action, $error, $expected]
    ) {
        $request = new HttpRequest('POST', "action=$action&token=alice", ['idempotency-key' => $id]);
        $log = ini_set('error_log', '/dev/null');
        same($expected, shown(frontend(new FakePublisher($error))->answer($request)));
        ini_set('error_log', (string) $log);
    }
});
