<?php

declare(strict_types=1);

namespace Purser\Tests;

use Purser\Client;
use Purser\Config;
use Purser\Principal;
use Purser\Request;

/** The broker's settings, with some of them changed. */
function config(string ...$changes): Config
{
    return Config::load(null, $changes + ['PURSER_AMQP_URL' => environment('PURSER_AMQP_URL')]);
}

function customer(): Principal
{
    return Principal::customer((int) environment('PURSER_CUSTOMER_ID'));
}

function bucketName(): string
{
    return 'php-' . bin2hex(random_bytes(8));
}

/** An account that the tests share; its order is a test by itself. */
function account(): string
{
    static $s3uid = null;
    if ($s3uid === null) {
        $parameters = ['plan_id' => 1, 'bucket_name' => bucketName(), 'location' => 'NL'];
        $reply = (new Client(config()))->call(new Request('create_order', $parameters, customer()));
        ok(!$reply->isRefusal(), $reply->json);
        $s3uid = $reply->data()['s3uid'];
    }

    return $s3uid;
}

/** How often a bucket's creation is in the account's history. */
function creations(string $bucket): int
{
    $client = new Client(config());
    $reply = $client->call(new Request('history', ['s3uid' => account(), 'limit' => 100], customer()));
    ok(!$reply->isRefusal(), $reply->json);
    $created = static fn (array $entry): bool
        => $entry['event'] === 'bucket_created' && str_contains($entry['description'], $bucket);

    return count(array_filter($reply->data()['data'], $created));
}

/**
 * A command that makes a bucket, and the bucket's name.
 *
 * @return array{Request, string}
 */
function createBucket(): array
{
    $bucket = bucketName();

    return [new Request('create_bucket', ['s3uid' => account(), 'bucket_name' => $bucket], customer()), $bucket];
}
