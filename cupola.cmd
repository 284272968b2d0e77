@echo off
rem Makes or refreshes .venv from the lock, then runs Cupola. All talk of the set-up goes to stderr.
setlocal
set "PYTHONPATH="
set "PYTHONHOME="
set "ROOT=%~dp0"
set "VENV=%ROOT%.venv"
set "LOCK=run"
if /i "%~1"=="test" set "LOCK=test"
if exist "%VENV%\test.txt" set "LOCK=test"

fc /b "%ROOT%requirements\%LOCK%.txt" "%VENV%\%LOCK%.txt" >nul 2>&1 && "%VENV%\Scripts\python.exe" -c "" >nul 2>&1 && goto run

set PY="%CUPOLA_PYTHON%"
if not defined CUPOLA_PYTHON set "PY=py -3"
%PY% -I -c "import sys; sys.exit(sys.version_info < (3, 11))" >nul 2>&1
if errorlevel 1 (
    echo cupola: Python 3.11 or newer is missing: install it from python.org, or name one in CUPOLA_PYTHON>&2
    exit /b 1
)
echo cupola: Setting up Cupola: about 1 GB, some minutes the first time.>&2
rem Made anew each time: an interrupted set-up leaves no copy of the lock and is repaired here.
%PY% -I -m venv --clear "%VENV%" 1>&2
if errorlevel 1 exit /b 1
"%VENV%\Scripts\python.exe" -P -m pip install --require-hashes --no-input --disable-pip-version-check -r "%ROOT%requirements\%LOCK%.txt" 1>&2
if errorlevel 1 (
    echo cupola: the packages could not be installed: see that the network and 2 GB of disk are there, and start again>&2
    exit /b 1
)
>"%VENV%\Lib\site-packages\cupola.pth" echo %ROOT:~0,-1%
copy /y "%ROOT%requirements\%LOCK%.txt" "%VENV%\%LOCK%.txt" >nul

:run
"%VENV%\Scripts\python.exe" -P -m app %*
exit /b %errorlevel%
