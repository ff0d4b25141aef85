<?php

declare(strict_types=1);

namespace Purser;

/** The broker returned the message: no service takes this action. */
final class Unroutable extends PublishError
{
}
