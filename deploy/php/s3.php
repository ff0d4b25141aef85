<?php

/**
 * The drop-in /s3.php: the gateway's, answered by PHP that publishes to RabbitMQ itself. See README.md.
 */

declare(strict_types=1);

require __DIR__ . '/autoload.php';

ini_set('display_errors', '0');
// Stack traces would show tokens and the broker's password.
ini_set('zend.exception_ignore_args', '1');
// Numbers are written with as many digits as they have.
ini_set('serialize_precision', '-1');

(static function (): void {
    try {
        $file = getenv('PURSER_PHP_CONFIG') ?: (is_file(__DIR__ . '/config.php') ? __DIR__ . '/config.php' : null);
        $config = Purser\Config::load($file, getenv());
        $http = Purser\HttpRequest::ofServer($_SERVER, $config->bodyBytesMax);
        $client = new Purser\Client($config);
        $answer = (new Purser\Frontend($config, $client, new Purser\CurlPoster($config->gatewayUrl)))->answer($http);
    } catch (Purser\Fault $fault) {
        $answer = $fault->answer;
    } catch (Throwable $error) {
        error_log('purser: ' . get_class($error) . ': ' . $error->getMessage());
        $answer = Purser\Answers::broken();
    }
    $answer->emit();
})();
