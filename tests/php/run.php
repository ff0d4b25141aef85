<?php

/**
 * Runs all tests of deploy/php and prints TAP: `php tests/php/run.php [part of a file's name]`.
 *
 * Integration tests need PURSER_AMQP_URL (of the user php-frontend), PURSER_GATEWAY_URL, PURSER_CUSTOMER_TOKEN,
 * PURSER_CUSTOMER_ID and PURSER_ADMIN_TOKEN; without them they are skipped, with PURSER_PHP_REQUIRE=1 they fail.
 */

declare(strict_types=1);

require __DIR__ . '/harness.php';
require __DIR__ . '/processes.php';
require __DIR__ . '/deployment.php';

ini_set('serialize_precision', '-1');
foreach ([...glob(__DIR__ . '/unit/*.php'), ...glob(__DIR__ . '/integration/*.php')] as $file) {
    if (str_contains($file, $argv[1] ?? '')) {
        require $file;
    }
}
exit(Purser\Tests\Suite::run(getenv('PURSER_PHP_REQUIRE') === '1'));
