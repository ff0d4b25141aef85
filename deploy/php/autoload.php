<?php

declare(strict_types=1);

spl_autoload_register(static function (string $class): void {
    if (str_starts_with($class, 'Purser\\')) {
        $file = __DIR__ . '/src/' . strtr(substr($class, 7), '\\', '/') . '.php';
        if (is_file($file)) {
            require $file;
        }
    }
});

// Debian's php-amqplib; whoever installed it by composer has loaded it already.
if (!class_exists(\PhpAmqpLib\Channel\AMQPChannel::class)) {
    require_once 'PhpAmqpLib/autoload.php';
}
